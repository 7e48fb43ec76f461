//! Rows as real producers send them, made from a seed: the same seed gives the same rows on every machine.
//!
//! The shares follow what was seen in captured rows: 74 % of the follower counts look like `12k`, 17 % are plain, 8 %
//! look like `3M`, 1 % are `User Info Error`; two fifths of the texts have letters outside ASCII, many end in U+00A0;
//! repeats of a row are common; some rows lack `downloaded`. About one in 150 cannot be cleaned, each for one of the
//! reasons that producers' bugs have.

use std::fmt::Write as _;

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

/// The datasets that rows are made for.
pub const DATASETS: [&str; 3] = ["pin", "geo", "user"];

/// One in so many rows cannot be cleaned.
const BROKEN_ONE_IN: u32 = 150;
/// One in so many rows is a repeat of an earlier one.
const REPEAT_ONE_IN: u32 = 12;

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
const COUNTRIES: [&str; 16] = [
    "Albania",
    "Bangladesh",
    "Bonaire, Sint Eustatius and Saba",
    "Cote d'Ivoire",
    "Curaçao",
    "Fiji",
    "French Southern Territories",
    "Isle of Man",
    "Korea, Democratic People's Republic of (North)",
    "Norway",
    "Saint Barthélemy",
    "Samoa",
    "Tonga",
    "Türkiye",
    "Uruguay",
    "Åland Islands",
];
const FIRST_NAMES: [&str; 14] = [
    "Abigail",
    "Alexandria",
    "Ana María",
    "Björn",
    "Chloé",
    "Daniel",
    "Fatma",
    "Luis",
    "Mwangi",
    "Nguyễn",
    "Priya",
    "Søren",
    "Stephanie",
    "Zoë",
];
const LAST_NAMES: [&str; 14] = [
    "Ali",
    "Davis",
    "Duffy",
    "Fernández",
    "Gonzalez",
    "Håkansson",
    "Kowalski",
    "Nakamura",
    "O'Neil",
    "Patel",
    "Shea",
    "Silva",
    "Turner",
    "Weiß",
];
const SUBJECTS: [&str; 14] = [
    "ways to set a table",
    "small balcony ideas",
    "Weihnachtsplätzchen",
    "mugs to paint yourself",
    "rings for a winter wedding",
    "outfits für den Herbst",
    "jeux éducatifs",
    "roads worth the detour",
    "savings habits",
    "idées déco",
    "fine line tattoos",
    "quotes about patience ❤️",
    "skincare in five minutes",
    "wooden shelves",
];
const POSTERS: [&str; 10] = [
    "Olive et Oriel",
    "Wear24-7",
    "Éloïse Déco",
    "The Crafty Fox",
    "Reisefieber",
    "budget_and_bloom",
    "Casa Niño",
    "Paper & Twine",
    "Motor Garage 58",
    "手作り工房",
];

/// An endless, seeded stream of one dataset's rows, each as the JSON text (or, for a broken one, the bytes) to post.
#[derive(Debug)]
pub struct Rows {
    dataset: &'static str,
    rng: StdRng,
    made: Vec<Vec<u8>>,
}

impl Rows {
    /// Rows of `pin`, `geo` or `user`; any other name is made as `user`.
    pub fn new(dataset: &str, seed: u64) -> Self {
        let position = DATASETS.iter().position(|name| *name == dataset).unwrap_or(2);
        // Each dataset draws from a stream of its own, so that one's row count does not change another's rows.
        let rng = StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(position as u64));
        Self {
            dataset: DATASETS[position],
            rng,
            made: Vec::new(),
        }
    }

    fn row(&mut self, index: usize) -> Row {
        match self.dataset {
            "pin" => pin(&mut self.rng, index),
            "geo" => geo(&mut self.rng, index),
            _ => user(&mut self.rng, index),
        }
    }

    /// A row that no cleaning can save.
    fn broken(&mut self, mut row: Row) -> Vec<u8> {
        let key = row.0[0].0;
        match self.rng.random_range(0..6) {
            0 => {
                let text = row.to_json();
                return text[..text.floor_char_boundary(text.len() / 2)].into();
            }
            1 => row.remove(key),
            2 => row.set(key, json!("n/a")),
            3 => row.set(key, json!(3_000_000_000_u64)),
            4 => return b"ind=12;status=lost".to_vec(),
            _ => match self.dataset {
                "pin" => row.set("title", json!(["a", "b"])),
                "geo" => row.set("latitude", json!(912.5)),
                _ => row.set("date_joined", json!("31/12/2016")),
            },
        }
        row.to_json().into_bytes()
    }
}

impl Iterator for Rows {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let index = self.made.len();
        let repeat = index > 0 && self.rng.random_ratio(1, REPEAT_ONE_IN);
        let bytes = match self.made.choose(&mut self.rng) {
            Some(row) if repeat => row.clone(),
            _ => {
                let row = self.row(index);
                if self.rng.random_ratio(1, BROKEN_ONE_IN) {
                    self.broken(row)
                } else if self.rng.random_bool(0.5) {
                    // Half of the producers escape everything outside ASCII, as Python's json.dumps does.
                    escape(&row.to_json()).into_bytes()
                } else {
                    row.to_json().into_bytes()
                }
            }
        };
        self.made.push(bytes.clone());
        Some(bytes)
    }
}

/// Fields in the order in which producers send them, the key first.
struct Row(Vec<(&'static str, Value)>);

impl Row {
    fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(field, _)| *field == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(field, _)| *field != name);
    }

    fn to_json(&self) -> String {
        let fields: Vec<_> = self
            .0
            .iter()
            .map(|(name, value)| format!("\"{name}\": {value}"))
            .collect();
        format!("{{{}}}", fields.join(", "))
    }
}

fn pin(rng: &mut StdRng, index: usize) -> Row {
    let category = pick(rng, &CATEGORIES);
    let subject = pick(rng, &SUBJECTS);
    let poster = pick(rng, &POSTERS);
    let number = rng.random_range(3..60);
    let mut title = format!("{number} {subject}");
    let mut description =
        format!("{title}: what we tried, what it cost and what we would do again. Saved by {poster}… ");
    let mut tags = format!("{category},{subject},{poster},Ideas,Weekend Projects");
    let mut source = format!(
        "https://i.example.org/originals/{:02x}/{:02x}/{:032x}.jpg",
        index % 251,
        index % 241,
        rng.random::<u128>()
    );
    let mut name = poster;
    if rng.random_bool(0.15) {
        title.push('\u{a0}');
    }
    // What a scraper writes when a page did not have it.
    if rng.random_bool(0.03) {
        title = "No Title Data Available".into();
    }
    if rng.random_bool(0.08) {
        let placeholders = [
            "No description available Story format",
            "No description available",
            "null",
            " ",
        ];
        description = pick(rng, &placeholders).into();
    }
    if rng.random_bool(0.08) {
        tags = "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e".into();
    }
    if rng.random_bool(0.02) {
        source = "Image src error.".into();
    }
    let followers = match rng.random_range(0..100) {
        0 => {
            name = "User Info Error";
            "User Info Error".into()
        }
        1..=74 => format!("{}k", rng.random_range(1..999)),
        75..=91 => rng.random_range(0..1000).to_string(),
        92..=97 => format!("{}M", rng.random_range(1..12)),
        98 => format!("{:.1}M", rng.random_range(1.0..9.0)),
        _ => format!("{},{:03}", rng.random_range(1..10), rng.random_range(0..1000)),
    };
    let mut row = Row(vec![
        ("index", json!(index)),
        ("unique_id", json!(uuid_like(rng))),
        ("title", json!(title)),
        ("description", json!(description)),
        ("poster_name", json!(name)),
        ("follower_count", json!(followers)),
        ("tag_list", json!(tags)),
        (
            "is_image_or_video",
            json!(if rng.random_bool(0.85) { "image" } else { "video" }),
        ),
        ("image_src", json!(source)),
        ("downloaded", json!(1)),
        ("save_location", json!(format!("Local save in /data/{category}"))),
        ("category", json!(category)),
    ]);
    match rng.random_range(0..100) {
        0..=2 => row.remove("downloaded"),
        3 => row.set("index", json!(index.to_string())),
        4 => row.set("board", json!({"id": number, "name": subject})),
        _ => {}
    }
    row
}

fn geo(rng: &mut StdRng, index: usize) -> Row {
    let mut row = Row(vec![
        ("ind", json!(index)),
        ("timestamp", json!(moment(rng, 2017, 2022))),
        ("latitude", json!(degrees(rng, 90.0))),
        ("longitude", json!(degrees(rng, 180.0))),
        ("country", json!(pick(rng, &COUNTRIES))),
    ]);
    match rng.random_range(0..100) {
        0 => row.set("latitude", json!(rng.random_range(-90..=90))),
        1 => row.set("longitude", json!(format!("{:.3}", rng.random_range(-180.0..180.0)))),
        2 => row.set("country", json!("Norway\u{a0}")),
        _ => {}
    }
    row
}

fn user(rng: &mut StdRng, index: usize) -> Row {
    let mut row = Row(vec![
        ("ind", json!(index)),
        ("first_name", json!(pick(rng, &FIRST_NAMES))),
        ("last_name", json!(pick(rng, &LAST_NAMES))),
        ("age", json!(rng.random_range(20..=60))),
        ("date_joined", json!(moment(rng, 2015, 2017))),
    ]);
    match rng.random_range(0..100) {
        0 => row.set("age", json!(rng.random_range(20..=60).to_string())),
        1 => row.set("first_name", Value::Null),
        2 => row.set("age", Value::Null),
        _ => {}
    }
    row
}

fn pick(rng: &mut StdRng, from: &[&'static str]) -> &'static str {
    from.choose(rng).copied().unwrap_or_default()
}

/// Five decimals, as the captured coordinates have.
fn degrees(rng: &mut StdRng, most: f64) -> f64 {
    (rng.random_range(-most..most) * 100_000.0).round() / 100_000.0
}

fn moment(rng: &mut StdRng, first_year: u32, last_year: u32) -> String {
    let (year, month, day) = (
        rng.random_range(first_year..=last_year),
        rng.random_range(1..=12),
        rng.random_range(1..=28),
    );
    let (hour, minute, second) = (
        rng.random_range(0..24),
        rng.random_range(0..60),
        rng.random_range(0..60),
    );
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

fn uuid_like(rng: &mut impl Rng) -> String {
    let bits: u128 = rng.random();
    let hex = format!("{bits:032x}");
    format!(
        "{}-{}-4{}-a{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..]
    )
}

/// JSON text with everything outside ASCII escaped.
fn escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len() + json.len() / 4);
    for character in json.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use pinlake_dataset::{Catalog, Cleaner, Limits};

    use super::*;

    #[test]
    fn a_seed_gives_the_same_rows_again() {
        for dataset in DATASETS {
            let rows = |seed| Rows::new(dataset, seed).take(200).collect::<Vec<_>>();
            assert_eq!(rows(7), rows(7));
            assert_ne!(rows(7), rows(8));
        }
    }

    #[test]
    fn most_rows_can_be_cleaned_and_some_cannot() {
        for dataset in DATASETS {
            let definition = Arc::clone(Catalog::built_in().route(dataset).unwrap());
            let mut cleaner = Cleaner::new(definition, Limits::default());
            Rows::new(dataset, 1).take(3000).for_each(|row| cleaner.push(&row));
            let cleaned = cleaner.finish();
            let reasons: std::collections::BTreeSet<_> =
                cleaned.rejected.iter().map(|r| (&r.field, &r.reason)).collect();
            assert!(
                (5..60).contains(&cleaned.rejected.len()),
                "{dataset}: {} rejected",
                cleaned.rejected.len()
            );
            assert!(reasons.len() >= 4, "{dataset}: {reasons:?}");
        }
    }

    #[test]
    fn escaped_text_is_the_same_json() {
        let text = Value::from("Åland ❤️ 😀 \"\\").to_string();
        assert!(escape(&text).is_ascii());
        assert_eq!(
            serde_json::from_str::<Value>(&escape(&text)).unwrap(),
            serde_json::from_str::<Value>(&text).unwrap()
        );
    }
}
