-- title: Most popular category in each year
-- question: Which category has the most posts in each year from 2018 to 2022? If several have equally many, all of them are
--     shown. A post's year is that of its time, in UTC; a post without a time or a category does not count.
-- chart: bars x=post_year y=category_count label=category
-- inputs: pin, geo
-- columns: post_year, category, category_count
-- grain: a year and one of its most popular categories
WITH posts AS (
    SELECT CAST(EXTRACT(YEAR FROM geo.timestamp) AS INT) AS post_year, pin.category
    FROM pin
    JOIN geo ON geo.ind = pin.ind
    WHERE pin.category IS NOT NULL
),
counted AS (
    SELECT post_year, category, COUNT(*) AS category_count
    FROM posts
    WHERE post_year BETWEEN 2018 AND 2022
    GROUP BY post_year, category
),
placed AS (
    SELECT post_year, category, category_count,
        RANK() OVER (PARTITION BY post_year ORDER BY category_count DESC) AS place
    FROM counted
)
SELECT post_year, category, category_count
FROM placed
WHERE place = 1
ORDER BY post_year, category
