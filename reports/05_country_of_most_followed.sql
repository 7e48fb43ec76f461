-- title: Country of the most followed poster
-- question: From which country does the poster with the most followers of all post? If there are several such posters or
--     countries, every country is shown once. A post without a country, a poster or a known number of followers does not count.
-- chart: ranked x=country y=follower_count
-- inputs: pin, geo
-- columns: country, follower_count
-- grain: a country from which the highest number of followers was posted
WITH posts AS (
    SELECT geo.country, pin.follower_count
    FROM pin
    JOIN geo ON geo.ind = pin.ind
    WHERE geo.country IS NOT NULL AND pin.poster_name IS NOT NULL AND pin.follower_count IS NOT NULL
)
SELECT DISTINCT country, follower_count
FROM posts
WHERE follower_count = (SELECT MAX(follower_count) FROM posts)
ORDER BY country
