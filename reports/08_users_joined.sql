-- title: People who joined in each year
-- question: How many people joined in each year from 2015 to 2020? A person is a name with a time of joining and counts once,
--     with or without posts; `post_year` is the year of joining, in UTC. A row without a name or a time of joining does not
--     count.
-- chart: bars x=post_year y=number_users_joined
-- inputs: user
-- columns: post_year, number_users_joined
-- grain: a year
WITH people AS (
    SELECT DISTINCT u.user_name, u.date_joined
    FROM user AS u
    WHERE u.user_name IS NOT NULL AND u.date_joined IS NOT NULL
),
joined AS (
    SELECT CAST(EXTRACT(YEAR FROM date_joined) AS INT) AS post_year
    FROM people
)
SELECT post_year, COUNT(*) AS number_users_joined
FROM joined
WHERE post_year BETWEEN 2015 AND 2020
GROUP BY post_year
ORDER BY post_year
