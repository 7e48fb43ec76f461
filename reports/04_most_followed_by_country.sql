-- title: Most followed poster in each country
-- question: Who has the most followers among those who posted from a country? If several have equally many, all of them are
--     shown, each once. A post without a country, a poster or a known number of followers does not count.
-- chart: ranked x=country y=follower_count label=poster_name
-- inputs: pin, geo
-- columns: country, poster_name, follower_count
-- grain: a country and one of its most followed posters
WITH placed AS (
    SELECT geo.country, pin.poster_name, pin.follower_count,
        RANK() OVER (PARTITION BY geo.country ORDER BY pin.follower_count DESC) AS place
    FROM pin
    JOIN geo ON geo.ind = pin.ind
    WHERE geo.country IS NOT NULL AND pin.poster_name IS NOT NULL AND pin.follower_count IS NOT NULL
)
SELECT DISTINCT country, poster_name, follower_count
FROM placed
WHERE place = 1
ORDER BY follower_count DESC, country, poster_name
