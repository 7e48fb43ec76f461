-- title: Most popular category in each age group
-- question: Which category has the most posts by people of each age group? 36-50 includes 50, 50+ is over 50. If several have
--     equally many, all of them are shown. A post without a category, or by somebody under 18 or of unknown age, does not count.
-- chart: bars x=age_group y=category_count label=category
-- inputs: pin, user
-- columns: age_group, category, category_count
-- grain: an age group and one of its most popular categories
WITH posts AS (
    SELECT
        CASE
            WHEN u.age BETWEEN 18 AND 24 THEN '18-24'
            WHEN u.age BETWEEN 25 AND 35 THEN '25-35'
            WHEN u.age BETWEEN 36 AND 50 THEN '36-50'
            WHEN u.age > 50 THEN '50+'
        END AS age_group,
        pin.category
    FROM pin
    JOIN user AS u ON u.ind = pin.ind
    WHERE pin.category IS NOT NULL
),
counted AS (
    SELECT age_group, category, COUNT(*) AS category_count
    FROM posts
    WHERE age_group IS NOT NULL
    GROUP BY age_group, category
),
placed AS (
    SELECT age_group, category, category_count,
        RANK() OVER (PARTITION BY age_group ORDER BY category_count DESC) AS place
    FROM counted
)
SELECT age_group, category, category_count
FROM placed
WHERE place = 1
ORDER BY age_group, category
