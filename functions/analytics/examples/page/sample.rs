//! A run that never was: three tables and ten questions, of the shape and size of real ones.

use std::{sync::Arc, time::Duration};

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use chrono::{NaiveDate, TimeDelta};
use pinlake_analytics::{Answer, Chart, ChartKind, DatasetFacts, Facts, NotAsked, Outcome, RejectionCount, Report};

const CATEGORIES: [&str; 13] = [
    "art",
    "beauty",
    "christmas",
    "diy-and-crafts",
    "education",
    "event-planning",
    "finance",
    "home-decor",
    "mens-fashion",
    "quotes",
    "tattoos",
    "travel",
    "vehicles",
];
const AGES: [&str; 4] = ["18-24", "25-35", "36-50", "50+"];

/// The country names that a page has trouble with, and then some more until there are 217.
const COUNTRIES: [&str; 24] = [
    "Afghanistan",
    "Albania",
    "American Samoa",
    "Antarctica (the territory South of 60 deg S)",
    "Armenia",
    "Aruba",
    "Bosnia and Herzegovina",
    "British Indian Ocean Territory (Chagos Archipelago)",
    "Bulgaria",
    "Cocos (Keeling) Islands",
    "Côte d'Ivoire",
    "Curaçao",
    "Heard Island and McDonald Islands",
    "Holy See (Vatican City State)",
    "Korea",
    "Lao People's Democratic Republic",
    "Libyan Arab Jamahiriya",
    "Réunion",
    "Saint Barthélemy",
    "South Georgia and the South Sandwich Islands",
    "Svalbard & Jan Mayen Islands",
    "Tonga",
    "United States Minor Outlying Islands",
    "Åland Islands",
];
const PEOPLE: [&str; 8] = [
    "Style Me Pretty",
    "Архитектура & дизайн",
    "The Minds Journal | A Lifestyle Magazine For The Thinking Mind",
    "日本の風景",
    "Mamas Uncut",
    "Zoë O'Brien",
    "TheSelfSufficientLiving",
    "Better Homes <and> Gardens",
];

/// Numbers that are the same each time, and look as if they were not.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }
}

/// The facts and outcomes of the run.
pub(crate) fn run() -> (Facts, Vec<Outcome>) {
    let numbers = &mut Numbers(7);
    let outcomes = vec![
        most_popular_by_country(numbers),
        most_popular_by_year(),
        posts_by_category_and_year(numbers),
        most_followed_by_country(numbers),
        country_of_the_most_followed(),
        most_popular_by_age(),
        followers_by_age(),
        joined_by_year(),
        failed(),
        followers_by_year_and_age(numbers),
        empty(),
    ];
    (facts(), outcomes)
}

fn facts() -> Facts {
    let run_date = NaiveDate::from_ymd_opt(2026, 11, 21).unwrap();
    let started_at = run_date.and_hms_opt(1, 0, 12).unwrap().and_utc() + TimeDelta::days(1);
    let dataset = |name: &str, rows, keys, new_rows, reasons: &[(Option<&str>, &str, u64)], minutes| DatasetFacts {
        name: name.parse_name(),
        rows,
        keys,
        new_rows,
        quarantined: reasons.iter().map(|reason| reason.2).sum::<u64>() + u64::from(name == "geo") * 3,
        reasons: reasons
            .iter()
            .map(|(field, reason, count)| RejectionCount {
                field: field.map(str::to_owned),
                reason: (*reason).to_owned(),
                count: *count,
            })
            .collect(),
        more_reasons: u64::from(name == "geo") * 2,
        newest: Some(started_at - TimeDelta::minutes(minutes)),
    };
    Facts {
        run_date,
        started_at,
        took: Duration::from_millis(42_700),
        datasets: vec![
            dataset("pin", 1_284_310, 1_101_977, 48_211, &[(Some("index"), "is no int32", 31), (None, "is no JSON object", 12)], 9),
            dataset("geo", 1_283_988, 1_101_977, 48_190, &[(Some("latitude"), "is not between -90 and 90", 44), (Some("timestamp"), "is no timestamp", 20), (None, "is not UTF-8", 1)], 11),
            dataset("user", 1_284_002, 1_101_975, 48_195, &[(Some("age"), "is no int32", 65)], 190),
        ],
        not_asked: vec![NotAsked {
            report: failed().report,
            reason: "reads `likes`, which is not defined".to_owned(),
        }],
        failures: vec!["2026-11-20 of `user`: could not read `raw/user/date=2026-11-20`: connection reset".to_owned()],
        damage: vec![
            "raw/pin/2026/11/21/14/pinlake-pin-1-2026-11-21-14-02-11-5f1c: breaks off after 18,204 bytes of gzip; the 511 lines before that were read".to_owned(),
        ],
    }
}

trait ParseName {
    fn parse_name(&self) -> pinlake_dataset::DatasetName;
}

impl ParseName for str {
    fn parse_name(&self) -> pinlake_dataset::DatasetName {
        pinlake_dataset::DatasetName::parse(self).unwrap()
    }
}

struct Question {
    name: &'static str,
    title: &'static str,
    question: &'static str,
    kind: ChartKind,
    x: &'static str,
    y: &'static str,
    series: Option<&'static str>,
    label: Option<&'static str>,
}

fn outcome(question: Question, answer: Result<Vec<(&str, ArrayRef)>, &str>) -> Outcome {
    let sql = format!(
        "SELECT {}, {}\nFROM pin\nJOIN geo ON geo.ind = pin.ind\nWHERE extract(year FROM geo.timestamp) BETWEEN 2018 AND 2022 AND pin.category <> '<none>'\nORDER BY 1, 2",
        question.x, question.y
    );
    Outcome {
        report: Arc::new(Report {
            name: question.name.to_owned(),
            title: question.title.to_owned(),
            question: question.question.to_owned(),
            chart: Chart {
                kind: question.kind,
                x: question.x.to_owned(),
                y: question.y.to_owned(),
                series: question.series.map(str::to_owned),
                label: question.label.map(str::to_owned),
            },
            inputs: Vec::new(),
            sql,
        }),
        answer: answer
            .map(|columns| Answer {
                rows: RecordBatch::try_from_iter(columns).unwrap(),
            })
            .map_err(str::to_owned),
        took: Duration::from_millis(230),
    }
}

fn texts(values: impl IntoIterator<Item = impl Into<String>>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(
        values.into_iter().map(Into::<String>::into),
    ))
}

fn years(values: impl IntoIterator<Item = i32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values))
}

fn counts(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn countries() -> Vec<String> {
    (0..217)
        .map(|at| match COUNTRIES.get(at) {
            Some(name) => (*name).to_owned(),
            None => format!("Country no. {at}"),
        })
        .collect()
}

fn most_popular_by_country(numbers: &mut Numbers) -> Outcome {
    let countries = countries();
    let categories: Vec<_> = countries.iter().map(|_| numbers.pick(&CATEGORIES)).collect();
    let posts: Vec<_> = countries.iter().map(|_| 40 + numbers.below(1_900) as i64).collect();
    outcome(
        Question {
            name: "01_category_by_country",
            title: "Most popular category in each country",
            question: "Which category has the most posts in each country? A post is counted once; categories with equally many are all kept.",
            kind: ChartKind::Ranked,
            x: "country",
            y: "category_count",
            series: None,
            label: Some("category"),
        },
        Ok(vec![
            ("country", texts(countries)),
            ("category", texts(categories)),
            ("category_count", counts(posts)),
        ]),
    )
}

fn most_popular_by_year() -> Outcome {
    outcome(
        Question {
            name: "02_category_by_year",
            title: "Most popular category of each year",
            question: "Which category has the most posts in each year from 2018 to 2022?",
            kind: ChartKind::Bars,
            x: "post_year",
            y: "category_count",
            series: None,
            label: Some("category"),
        },
        Ok(vec![
            ("post_year", years([2018, 2019, 2020, 2021, 2021, 2022])),
            (
                "category",
                texts([
                    "christmas",
                    "art",
                    "diy-and-crafts",
                    "event-planning",
                    "mens-fashion",
                    "beauty",
                ]),
            ),
            (
                "category_count",
                counts([12_034, 14_201, 15_977, 16_020, 16_020, 9_411]),
            ),
        ]),
    )
}

fn posts_by_category_and_year(numbers: &mut Numbers) -> Outcome {
    let mut rows = Vec::new();
    for (at, category) in CATEGORIES.into_iter().enumerate() {
        let mut posts = 4_000 + 700 * at as i64 + numbers.below(2_500) as i64;
        for year in 2018..=2022 {
            if !(category == "finance" && year == 2019) {
                rows.push((year, category, posts));
            }
            posts += numbers.below(3_000) as i64 - 1_100;
        }
    }
    rows.sort();
    outcome(
        Question {
            name: "03_posts_by_category_and_year",
            title: "Posts in each category over the years",
            question: "How many posts were made in each category in each year from 2018 to 2022?",
            kind: ChartKind::Lines,
            x: "post_year",
            y: "category_count",
            series: Some("category"),
            label: None,
        },
        Ok(vec![
            ("post_year", years(rows.iter().map(|row| row.0))),
            ("category", texts(rows.iter().map(|row| row.1))),
            ("category_count", counts(rows.iter().map(|row| row.2))),
        ]),
    )
}

fn most_followed_by_country(numbers: &mut Numbers) -> Outcome {
    let countries = countries();
    let people: Vec<_> = countries
        .iter()
        .enumerate()
        .map(|(at, _)| (at != 3).then(|| numbers.pick(&PEOPLE)))
        .collect();
    let followers: Int64Array = countries
        .iter()
        .enumerate()
        .map(|(at, _)| (at != 8).then(|| (1 + numbers.below(80) as i64) * 100_000))
        .collect();
    outcome(
        Question {
            name: "04_most_followed_by_country",
            title: "Most followed poster in each country",
            question: "Who has the most followers among those who posted from each country?",
            kind: ChartKind::Ranked,
            x: "country",
            y: "follower_count",
            series: None,
            label: Some("poster_name"),
        },
        Ok(vec![
            ("country", texts(countries)),
            ("poster_name", Arc::new(StringArray::from(people))),
            ("follower_count", Arc::new(followers)),
        ]),
    )
}

fn country_of_the_most_followed() -> Outcome {
    outcome(
        Question {
            name: "05_country_of_most_followed",
            title: "Where the most followed user posts from",
            question: "From which country does the user with the most followers post? Equals are all kept.",
            kind: ChartKind::Ranked,
            x: "country",
            y: "follower_count",
            series: None,
            label: None,
        },
        Ok(vec![
            ("country", texts(["American Samoa", "Côte d'Ivoire"])),
            ("follower_count", counts([8_000_000, 8_000_000])),
        ]),
    )
}

fn most_popular_by_age() -> Outcome {
    outcome(
        Question {
            name: "06_category_by_age",
            title: "Most popular category of each age group",
            question: "Which category has the most posts by people of each age group? People under 18, or of unknown age, are in no group.",
            kind: ChartKind::Bars,
            x: "age_group",
            y: "category_count",
            series: None,
            label: Some("category"),
        },
        Ok(vec![
            ("age_group", texts(AGES)),
            ("category", texts(["tattoos", "travel", "home-decor", "vehicles"])),
            ("category_count", counts([31_022, 22_814, 15_470, 4_120])),
        ]),
    )
}

fn followers_by_age() -> Outcome {
    outcome(
        Question {
            name: "07_followers_by_age",
            title: "Median followers by age group",
            question: "How many followers does the person in the middle of each age group have?",
            kind: ChartKind::Bars,
            x: "age_group",
            y: "median_follower_count",
            series: None,
            label: None,
        },
        Ok(vec![
            ("age_group", texts(AGES)),
            (
                "median_follower_count",
                Arc::new(Float64Array::from(vec![57_000.0, 26_500.5, 6_000.0, 1_205.0])),
            ),
        ]),
    )
}

fn joined_by_year() -> Outcome {
    outcome(
        Question {
            name: "08_joined_by_year",
            title: "People who joined each year",
            question: "How many people joined in each year from 2015 to 2020?",
            kind: ChartKind::Bars,
            x: "post_year",
            y: "number_users_joined",
            series: None,
            label: None,
        },
        Ok(vec![
            ("post_year", years(2015..=2020)),
            (
                "number_users_joined",
                counts([231_877, 402_120, 268_400, 84_002, 9_771, 812]),
            ),
        ]),
    )
}

fn failed() -> Outcome {
    outcome(
        Question {
            name: "09_followers_by_year",
            title: "Median followers by year of joining",
            question: "How many followers does the person in the middle of those who joined in a year have?",
            kind: ChartKind::Bars,
            x: "post_year",
            y: "median_follower_count",
            series: None,
            label: None,
        },
        Err(
            "could not plan report `09_followers_by_year`: Schema error: No field named \"date_join\". Did you mean 'user.date_joined'?",
        ),
    )
}

fn followers_by_year_and_age(numbers: &mut Numbers) -> Outcome {
    let mut rows = Vec::new();
    for (at, age) in AGES.into_iter().enumerate() {
        for year in 2015..=2020 {
            if !(age == "50+" && year == 2020) {
                let base = [120_000, 61_000, 22_000, 4_000][at];
                rows.push((age, year, (base as f64) * (0.6 + numbers.below(70) as f64 / 100.0)));
            }
        }
    }
    outcome(
        Question {
            name: "10_followers_by_year_and_age",
            title: "Median followers by year of joining and age group",
            question: "How many followers does the person in the middle of each age group and year of joining have?",
            kind: ChartKind::Grouped,
            x: "post_year",
            y: "median_follower_count",
            series: Some("age_group"),
            label: None,
        },
        Ok(vec![
            ("age_group", texts(rows.iter().map(|row| row.0))),
            ("post_year", years(rows.iter().map(|row| row.1))),
            (
                "median_follower_count",
                Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.2))),
            ),
        ]),
    )
}

fn empty() -> Outcome {
    outcome(
        Question {
            name: "11_drafts",
            title: "Posts that were never published",
            question: "A question whose answer has no row.",
            kind: ChartKind::Bars,
            x: "category",
            y: "drafts",
            series: None,
            label: None,
        },
        Ok(vec![("category", texts(Vec::<String>::new())), ("drafts", counts([]))]),
    )
}
