-- title: Median followers by year of joining
-- question: How many followers has the person in the middle of those who joined in each year from 2015 to 2020? A person is a
--     name with a time of joining and has the most followers that any of their posts tells; `post_year` is the year of
--     joining, in UTC. Who has no name, no time of joining or no known number of followers does not count.
-- chart: lines x=post_year y=median_follower_count
-- inputs: pin, user
-- columns: post_year, median_follower_count
-- grain: a year
WITH people AS (
    SELECT u.user_name, u.date_joined, MAX(pin.follower_count) AS follower_count
    FROM user AS u
    JOIN pin ON pin.ind = u.ind
    WHERE u.user_name IS NOT NULL AND u.date_joined IS NOT NULL
    GROUP BY u.user_name, u.date_joined
),
joined AS (
    SELECT CAST(EXTRACT(YEAR FROM date_joined) AS INT) AS post_year, follower_count
    FROM people
)
SELECT post_year, percentile_cont(0.5) WITHIN GROUP (ORDER BY follower_count) AS median_follower_count
FROM joined
WHERE post_year BETWEEN 2015 AND 2020 AND follower_count IS NOT NULL
GROUP BY post_year
ORDER BY post_year
