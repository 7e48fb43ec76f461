-- title: Posts in each category over the years
-- question: How many posts has each category in each year from 2018 to 2022? A post's year is that of its time, in UTC; a post
--     without a time or a category does not count. A category without a post in a year has no row for it.
-- chart: lines x=post_year y=category_count series=category
-- inputs: pin, geo
-- columns: post_year, category, category_count
-- grain: a year and a category
WITH posts AS (
    SELECT CAST(EXTRACT(YEAR FROM geo.timestamp) AS INT) AS post_year, pin.category
    FROM pin
    JOIN geo ON geo.ind = pin.ind
    WHERE pin.category IS NOT NULL
)
SELECT post_year, category, COUNT(*) AS category_count
FROM posts
WHERE post_year BETWEEN 2018 AND 2022
GROUP BY post_year, category
ORDER BY post_year, category
