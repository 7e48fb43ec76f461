//! The page as a whole, taken apart by a parser that is as strict as the page should be.

use std::{sync::Arc, time::Duration};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use chrono::{DateTime, NaiveDate, TimeDelta};
use pinlake_dataset::DatasetName;

use super::{DataLinks, render};
use crate::{Answer, Chart, ChartKind, DatasetFacts, Facts, NotAsked, Outcome, RejectionCount, Report};

const HOSTILE: &str = "</pre></script><script>alert(1)</script><img src=x onerror=alert(1)> \"quoted\" 'too' & &lt;";

fn facts() -> Facts {
    let started_at = DateTime::from_timestamp(1_795_309_212, 0).unwrap();
    Facts {
        run_date: NaiveDate::from_ymd_opt(2026, 11, 21).unwrap(),
        started_at,
        took: Duration::from_millis(42_700),
        datasets: vec![
            DatasetFacts {
                name: DatasetName::parse("pin").unwrap(),
                rows: 1_284_310,
                keys: 1_101_977,
                new_rows: 48_211,
                quarantined: 43,
                reasons: vec![
                    RejectionCount {
                        field: Some("index".to_owned()),
                        reason: "is no int32".to_owned(),
                        count: 31,
                    },
                    RejectionCount {
                        field: None,
                        reason: "is no JSON object".to_owned(),
                        count: 12,
                    },
                ],
                more_reasons: 0,
                newest: Some(started_at - TimeDelta::minutes(9)),
            },
            DatasetFacts {
                name: DatasetName::parse("geo").unwrap(),
                rows: 0,
                keys: 0,
                new_rows: 0,
                quarantined: 0,
                reasons: vec![],
                more_reasons: 0,
                newest: None,
            },
        ],
        damage: vec![],
        failures: vec![],
        not_asked: vec![],
    }
}

fn outcome(name: &str, kind: ChartKind, answer: Result<RecordBatch, String>) -> Outcome {
    Outcome {
        report: Arc::new(Report {
            name: name.to_owned(),
            title: format!("Title of {name}"),
            question: format!("Question of {name}"),
            chart: Chart {
                kind,
                x: "country".to_owned(),
                y: "posts".to_owned(),
                series: None,
                label: Some("category".to_owned()),
            },
            inputs: vec![],
            sql: format!("SELECT '{name}' < 1"),
        }),
        answer: answer.map(|rows| Answer { rows }),
        took: Duration::from_millis(230),
    }
}

fn rows(rows: &[(&str, Option<&str>, Option<i64>)]) -> RecordBatch {
    let countries = StringArray::from_iter_values(rows.iter().map(|row| row.0));
    let categories: StringArray = rows.iter().map(|row| row.1).collect();
    let posts: Int64Array = rows.iter().map(|row| row.2).collect();
    RecordBatch::try_from_iter([
        ("country", Arc::new(countries) as ArrayRef),
        ("category", Arc::new(categories) as _),
        ("posts", Arc::new(posts) as _),
    ])
    .unwrap()
}

fn many(count: i64) -> RecordBatch {
    let names: Vec<String> = (0..count).map(|at| format!("country {at:03}")).collect();
    let all: Vec<_> = names
        .iter()
        .zip(0..)
        .map(|(name, at)| (name.as_str(), Some("art"), Some(2_000 - at)))
        .collect();
    rows(&all)
}

fn page(facts: &Facts, outcomes: &[Outcome]) -> Html {
    let html = render(facts, outcomes, |report| DataLinks {
        json: format!("../{}/run_date=2026-11-21/_result.json", report.name),
        parquet: format!("../{}/run_date=2026-11-21/result.parquet", report.name),
    });
    Html::parse(html.unwrap())
}

/// The tags of a page, each with its attributes as written, and the text between them.
struct Html {
    source: String,
    tags: Vec<String>,
}

impl Html {
    /// Takes the page apart. Fails if a tag is not closed in its turn, which is how text that became markup shows.
    fn parse(source: String) -> Self {
        const VOID: [&str; 3] = ["meta", "link", "!DOCTYPE"];
        let mut open: Vec<String> = Vec::new();
        let mut tags = Vec::new();
        let mut rest = source.as_str();
        while let Some(start) = rest.find('<') {
            assert!(!rest[..start].contains('>') || open.last().is_some_and(|tag| tag == "style"));
            let end = start + rest[start..].find('>').expect("a tag ends");
            let tag = &rest[start + 1..end];
            let name: String = tag.split_whitespace().next().expect("a tag has a name").to_owned();
            if let Some(closed) = name.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(closed), "after {:?}", tags.last());
            } else {
                if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
                    open.push(name);
                }
                tags.push(tag.to_owned());
            }
            rest = &rest[end + 1..];
        }
        assert!(open.is_empty(), "not closed: {open:?}");
        Self { source, tags }
    }

    fn count(&self, what: &str) -> usize {
        self.source.matches(what).count()
    }

    fn has(&self, what: &str) -> bool {
        self.source.contains(what)
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &str> {
        let tags = self.tags.iter().map(String::as_str);
        tags.filter(move |tag| tag.split_whitespace().next() == Some(name))
    }

    fn attributes(&self, name: &str) -> Vec<&str> {
        let start = format!(" {name}=\"");
        let tags = self.tags.iter();
        let values = tags.filter_map(|tag| tag.split_once(&start)?.1.split('"').next());
        values.collect()
    }
}

#[test]
fn the_page_is_self_contained() {
    let page = page(&facts(), &[outcome("one", ChartKind::Ranked, Ok(many(217)))]);
    for tag in [
        "script", "img", "iframe", "object", "embed", "base", "form", "image", "use",
    ] {
        assert_eq!(page.named(tag).count(), 0, "{tag}");
    }
    assert!(!page.has("@import") && !page.has("url("), "a style asks for something");
    assert_eq!(
        page.named("link").collect::<Vec<_>>(),
        ["link rel=\"icon\" href=\"data:,\""]
    );
    let outside = page.attributes("href").into_iter().filter(|href| href.contains("//"));
    assert_eq!(outside.count(), 0);
    // The one mention of a host is the name of SVG's elements.
    assert_eq!(page.count("http"), page.count("xmlns=\"http://www.w3.org/2000/svg\""));
}

#[test]
fn nothing_from_data_becomes_markup() {
    let mut hostile = facts();
    hostile.damage = vec![HOSTILE.to_owned()];
    hostile.failures = vec![HOSTILE.to_owned()];
    hostile.datasets[0].reasons[0] = RejectionCount {
        field: Some(HOSTILE.to_owned()),
        reason: HOSTILE.to_owned(),
        count: 1,
    };
    let kinds = [ChartKind::Bars, ChartKind::Ranked, ChartKind::Grouped, ChartKind::Lines];
    let mut outcomes: Vec<_> = kinds
        .map(|kind| {
            let answer = rows(&[(HOSTILE, Some(HOSTILE), Some(3)), ("b", None, Some(2))]);
            let mut outcome = outcome(HOSTILE, kind, Ok(answer));
            let mut report = (*outcome.report).clone();
            report.sql = HOSTILE.to_owned();
            report.chart.series =
                (kind == ChartKind::Grouped || kind == ChartKind::Lines).then(|| "category".to_owned());
            outcome.report = Arc::new(report);
            outcome
        })
        .into();
    outcomes.push(outcome("failing", ChartKind::Bars, Err(HOSTILE.to_owned())));
    let page = page(&hostile, &outcomes);
    for tag in ["script", "img"] {
        assert_eq!(page.named(tag).count(), 0, "{tag}");
    }
    assert!(
        !page
            .tags
            .iter()
            .any(|tag| tag.contains(" onerror=alert(1)\"") || tag.ends_with("onerror=alert(1)"))
    );
    assert!(
        page.has("&#60;script&#62;alert(1)&#60;/script&#62;"),
        "the text itself is shown"
    );
}

#[test]
fn an_answer_has_a_chart_a_table_its_sql_and_its_data() {
    let answer = rows(&[
        ("Chad", Some("art"), Some(1_234)),
        ("Tonga", None, Some(56)),
        ("Peru", Some("travel"), None),
    ]);
    let page = page(&facts(), &[outcome("one", ChartKind::Ranked, Ok(answer))]);
    // One for a desk and one for a phone, each with a bar for each row that has a value.
    assert_eq!(page.named("svg").count(), 2);
    assert_eq!(
        page.tags
            .iter()
            .filter(|tag| tag.starts_with("rect") && tag.contains("data-value"))
            .count(),
        2 * 2
    );
    let chart = page.named("div").find(|tag| tag.contains("role=\"img\"")).unwrap();
    for said in ["Title of one", "Highest: Chad (art), with 1,234"] {
        assert!(chart.contains(said), "{chart}");
    }
    assert!(page.has("<p class=\"finding\">Highest: Chad (art), with 1,234</p>"));
    assert!(page.has("1 row has no value to draw."));
    assert!(page.has("<td class=\"amount\">1,234</td>"));
    assert_eq!(
        page.count("<span class=\"hidden\">no value</span>"),
        2,
        "the category and the count"
    );
    assert!(page.has("3 rows, as data:"));
    assert!(page.has("<code>SELECT &#39;one&#39; &#60; 1</code>"));
    let links = page.attributes("href");
    assert!(links.contains(&"../one/run_date=2026-11-21/_result.json"));
    assert!(links.contains(&"../one/run_date=2026-11-21/result.parquet"));
}

#[test]
fn a_long_table_is_cut_and_says_so() {
    for (count, shown, said) in [
        (25, 25, "25 rows, as data:"),
        (26, 25, "The first 25 of 26 rows. All of them:"),
        (217, 25, "The first 25 of 217 rows. All of them:"),
    ] {
        let page = page(&facts(), &[outcome("one", ChartKind::Bars, Ok(many(count)))]);
        assert_eq!(page.count("<td>country "), shown);
        assert!(page.has(said), "{said}");
    }
}

#[test]
fn an_empty_answer_is_said_in_words() {
    let page = page(&facts(), &[outcome("one", ChartKind::Lines, Ok(rows(&[])))]);
    assert!(page.has("There is no row: nothing in the tables answers this question yet."));
    assert!(page.has("<span class=\"remark empty\">no rows</span>"));
    assert_eq!(page.named("svg").count(), 0);
    assert_eq!(page.named("figure").count(), 0);
}

#[test]
fn a_chart_that_cannot_be_drawn_leaves_the_table() {
    let nothing = rows(&[("Chad", None, None)]);
    let drawn = page(&facts(), &[outcome("one", ChartKind::Bars, Ok(nothing))]);
    assert!(drawn.has("There is nothing to draw: no row has a value."));
    assert!(drawn.has("<td>Chad</td>"));

    let mut other = outcome("one", ChartKind::Bars, Ok(many(2)));
    let mut report = (*other.report).clone();
    report.chart.y = "pins".to_owned();
    other.report = Arc::new(report);
    let drawn = page(&facts(), &[other]);
    assert!(drawn.has("There is no chart: the answer has no column `pins`."));
    assert!(drawn.has("<td>country 001</td>"));
}

#[test]
fn a_failed_question_is_shown_in_its_place_and_counted_on_top() {
    let outcomes = [
        outcome("one", ChartKind::Bars, Ok(many(2))),
        outcome("two", ChartKind::Bars, Err("no column `x`".to_owned())),
    ];
    let failing = page(&facts(), &outcomes);
    assert!(failing.has("1 of 2 questions failed"));
    assert!(failing.has("<li><a href=\"#question-2\">2. Title of two</a></li>"));
    assert!(failing.has("<strong>This question failed.</strong>"));
    assert!(failing.has("no column `x`</pre>"));
    assert!(failing.has("<span class=\"remark bad\">failed</span>"));
    assert_eq!(failing.named("figure").count(), 1);

    let fine = page(&facts(), &outcomes[..1]);
    assert!(fine.has("The question was answered."));
    assert!(!fine.has("failed</h2>"));
}

#[test]
fn the_facts_stand_on_top() {
    let page = page(&facts(), &[]);
    for said in [
        "Daily report for 21 November 2026",
        "took 42.7 s",
        "<td class=\"amount\">1,284,310</td>",
        "<td class=\"amount\">1,101,977</td>",
        "<td class=\"amount\">48,211</td>",
        "<td>9 minutes before the run",
        "<td>no row yet</td>",
        "<td>index</td><td>is no int32</td><td class=\"amount\">31</td>",
        "the whole record</span></td><td>is no JSON object</td>",
        // 43 of 48,254 records: 0.089 %.
        "0.1 % of the day&#39;s records",
    ] {
        assert!(page.has(said), "{said}");
    }
    assert!(!page.has("Raw data damaged"));
}

#[test]
fn reasons_that_are_not_told_are_counted() {
    let mut facts = facts();
    assert!(!page(&facts, &[]).has("more reason"));
    // 43 records, of which 31 and 12 have a reason that is told.
    facts.datasets[0].quarantined = 1_050;
    facts.datasets[0].more_reasons = 3;
    assert!(page(&facts, &[]).has("colspan=\"3\">and 3 more reasons, 1,007 records</td>"));
    facts.datasets[0].quarantined = 44;
    facts.datasets[0].more_reasons = 1;
    assert!(page(&facts, &[]).has(">and 1 more reason, 1 record</td>"));
}

#[test]
fn a_day_that_was_not_cleaned_is_said_before_the_figures() {
    let mut facts = facts();
    facts.failures = vec!["2026-11-21 of `pin`: could not read `raw/pin/date=2026-11-21`".to_owned()];
    let page = page(&facts, &[]);
    let failure = page.source.find("could not read").expect("it is said");
    assert!(failure < page.source.find("class=\"tiles\"").unwrap());
    assert!(page.has("The run is not complete"));
}

#[test]
fn damage_is_said_before_all_else() {
    let mut facts = facts();
    facts.damage = vec![
        "raw/pin/a.gz breaks off".to_owned(),
        "raw/pin/b.gz is no gzip".to_owned(),
    ];
    let page = page(&facts, &[outcome("one", ChartKind::Bars, Ok(many(2)))]);
    let damage = page.source.find("Raw data damaged in 2 places").expect("it is said");
    assert!(damage < page.source.find("class=\"tiles\"").unwrap());
    assert!(page.has("<li>raw/pin/b.gz is no gzip</li>"));
}

#[test]
fn reports_that_were_not_asked_are_said_with_the_reason() {
    let mut facts = facts();
    facts.not_asked = ["two", "three"]
        .map(|name| NotAsked {
            report: outcome(name, ChartKind::Bars, Ok(many(1))).report,
            reason: "reads user, which is not defined".to_owned(),
        })
        .into();
    let some = page(&facts, &[outcome("one", ChartKind::Bars, Ok(many(2)))]);
    assert!(some.has("<li>Title of three <span class=\"quiet-text\">reads user, which is not defined</span></li>"));
    assert!(some.has("none failed; 2 not asked") && some.has("The question was answered."));
    assert!(!some.has("class=\"alert\"") && !some.has("class=\"bad\""));

    let none = page(&facts, &[]);
    assert!(none.has("No question was asked: no report is for these datasets."));
    assert!(none.has("Title of two"));
}

#[test]
fn ids_are_unique_and_what_refers_to_one_finds_it() {
    let outcomes = ["one", "two", "three"].map(|name| outcome(name, ChartKind::Bars, Ok(many(3))));
    let page = page(&facts(), &outcomes);
    let mut ids = page.attributes("id");
    for reference in page.attributes("aria-labelledby") {
        assert!(ids.contains(&reference), "{reference}");
    }
    for anchor in page
        .attributes("href")
        .into_iter()
        .filter_map(|href| href.strip_prefix('#'))
    {
        assert!(ids.contains(&anchor), "{anchor}");
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn a_run_without_questions_has_a_page_too() {
    let mut facts = facts();
    facts.datasets.clear();
    let page = page(&facts, &[]);
    assert!(page.has("No question was asked: there are no reports."));
    assert!(
        page.attributes("id").contains(&"questions"),
        "the skip link leads there"
    );
    assert!(!page.has("questions were answered."));
}

#[test]
fn ten_large_reports_make_a_page_of_moderate_size() {
    let outcomes: Vec<_> = (0..10)
        .map(|at| outcome(&format!("report {at}"), ChartKind::Ranked, Ok(many(217))))
        .collect();
    let page = page(&facts(), &outcomes);
    assert!(page.source.len() < 500_000, "{} bytes", page.source.len());
}
