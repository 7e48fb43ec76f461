//! Pin records as real ones are: about 600 bytes, some with `\u` escapes, some with other letters than ASCII.

use serde_json::json;

const TITLES: [&str; 8] = [
    "Painted mugs for a slow Sunday\u{a0}",
    "25 Rüstic Wreath Ideas — für die Haustür",
    "How to grow basil indoors all year round",
    "Tiny flower tattoos that age well",
    "Un jardín vertical en tu balcón",
    "No Title Data Available",
    "The “capsule wardrobe” for men who hate shopping",
    "お弁当 ideas for school lunches",
];
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
const WORDS: [&str; 16] = [
    "simple", "handmade", "garden", "kitchen", "café", "winter", "linen", "golden", "recipe", "studio", "naïve",
    "pattern", "ceramic", "journey", "saving", "corner",
];

/// A small generator of our own: the same seed gives the same records on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn words(&mut self, count: usize) -> String {
        (0..count).map(|_| self.pick(&WORDS)).collect::<Vec<_>>().join(" ")
    }
}

/// One pin as its producer sends it.
fn pin(index: usize, random: &mut Random) -> String {
    let followers = match random.below(100) {
        0..74 => format!("{}k", 1 + random.below(900)),
        74..91 => random.below(1000).to_string(),
        91..99 => format!("{}M", 1 + random.below(9)),
        _ => "User Info Error".to_owned(),
    };
    let category = random.pick(&CATEGORIES);
    let (high, low) = (random.next(), random.next());
    let text = json!({
        "index": index,
        "unique_id": format!("{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", high >> 32, high >> 16 & 0xffff, high & 0xfff, low >> 52, low & 0xffff_ffff_ffff),
        "title": format!("{} {}", random.pick(&TITLES), random.words(2)),
        "description": random.words(14),
        "poster_name": random.words(2),
        "follower_count": followers,
        "tag_list": (0..5).map(|_| random.words(2)).collect::<Vec<_>>().join(","),
        "is_image_or_video": "image",
        "image_src": format!("https://i.pinimg.com/originals/{:02x}/{:02x}/{:016x}{:08x}.jpg", high & 0xff, low & 0xff, high, low & 0xffff_ffff),
        "downloaded": 1,
        "save_location": format!("Local save in /data/{category}"),
        "category": category,
    })
    .to_string();
    // Some producers escape everything beyond ASCII.
    if random.below(4) == 0 { escaped(&text) } else { text }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii() {
            out.push(letter);
        } else {
            letter
                .encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}

/// A Kinesis event of `records` pins, as Lambda gives it.
pub(crate) fn kinesis_event(records: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let records: Vec<_> = (0..records)
        .map(|index| {
            let number = format!("4959033827149025660855969253836157109592157598913{index:07}");
            json!({
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": index.to_string(),
                    "sequenceNumber": number,
                    "data": base64_simd::STANDARD.encode_to_string(pin(index, &mut random)),
                    "approximateArrivalTimestamp": 1_700_000_000.123 + index as f64 / 1000.0,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": format!("shardId-000000000000:{number}"),
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::000000000000:role/pinlake-stream",
                "awsRegion": "eu-west-1",
                "eventSourceARN": "arn:aws:kinesis:eu-west-1:000000000000:stream/pinlake-pin",
            })
        })
        .collect();
    json!({ "Records": records }).to_string().into_bytes()
}
