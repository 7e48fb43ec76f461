-- title: Most popular category in each country
-- question: Which category has the most posts in each country? If several have equally many, all of them are shown. A post
--     without a country or a category does not count.
-- chart: ranked x=country y=category_count label=category
-- inputs: pin, geo
-- columns: country, category, category_count
-- grain: a country and one of its most popular categories
WITH counted AS (
    SELECT geo.country, pin.category, COUNT(*) AS category_count
    FROM pin
    JOIN geo ON geo.ind = pin.ind
    WHERE geo.country IS NOT NULL AND pin.category IS NOT NULL
    GROUP BY geo.country, pin.category
),
placed AS (
    SELECT country, category, category_count,
        RANK() OVER (PARTITION BY country ORDER BY category_count DESC) AS place
    FROM counted
)
SELECT country, category, category_count
FROM placed
WHERE place = 1
ORDER BY category_count DESC, country, category
