-- title: Median followers in each age group
-- question: How many followers has the person in the middle of each age group? A person is a name with a time of joining and
--     has the most followers and the highest age that any of their rows tells. 36-50 includes 50, 50+ is over 50. Who is
--     under 18 or of unknown age, has no name, no time of joining or no known number of followers does not count.
-- chart: bars x=age_group y=median_follower_count
-- inputs: pin, user
-- columns: age_group, median_follower_count
-- grain: an age group
WITH people AS (
    -- Outer join: an age counts even if its row has no pin.
    SELECT u.user_name, u.date_joined, MAX(u.age) AS age, MAX(pin.follower_count) AS follower_count
    FROM user AS u
    LEFT JOIN pin ON pin.ind = u.ind
    WHERE u.user_name IS NOT NULL AND u.date_joined IS NOT NULL
    GROUP BY u.user_name, u.date_joined
),
grouped AS (
    SELECT
        CASE
            WHEN age BETWEEN 18 AND 24 THEN '18-24'
            WHEN age BETWEEN 25 AND 35 THEN '25-35'
            WHEN age BETWEEN 36 AND 50 THEN '36-50'
            WHEN age > 50 THEN '50+'
        END AS age_group,
        follower_count
    FROM people
)
SELECT age_group, percentile_cont(0.5) WITHIN GROUP (ORDER BY follower_count) AS median_follower_count
FROM grouped
WHERE age_group IS NOT NULL AND follower_count IS NOT NULL
GROUP BY age_group
ORDER BY age_group
