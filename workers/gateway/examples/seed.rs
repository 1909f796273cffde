//! Prints the development data as SQL for D1: `cargo run -p gateway --example seed > seeds/development.sql`.
//!
//! The same text every time, so that the committed file can be compared with what this program prints. The salts are
//! fixed and the passwords known: none of this belongs in a deployment.

use std::fmt::Write;

use domain::{
    event::{Event, EventBody},
    id::EventId,
    time::Millis,
};
use gateway::identity::password;
use serde_json::{Value, json};

/// When everything here was made: 2025-10-01T00:00:00Z. Sales opened then.
const MADE_AT: Millis = Millis(1_759_276_800_000);

/// Floors from the stage to the back, with their price in KRW.
const FLOORS: [(&str, &str, &str, u64); 9] = [
    ("VIP", "VIP석", "VIP", 120_000),
    ("R", "R석", "Royal", 110_000),
    ("S", "S석", "Superior", 100_000),
    ("A", "A석", "Floor A", 90_000),
    ("B", "B석", "Floor B", 80_000),
    ("C", "C석", "Floor C", 70_000),
    ("D", "D석", "Floor D", 60_000),
    ("E", "E석", "Floor E", 50_000),
    ("F", "F석", "Floor F", 40_000),
];

struct Show {
    id: &'static str,
    ko: &'static str,
    en: &'static str,
    venue_ko: &'static str,
    venue_en: &'static str,
    starts_at: &'static str,
    opens_at: &'static str,
}

const ON_SALE: &str = "2025-10-01T00:00:00.000Z";

const SHOWS: [Show; 5] = [
    Show {
        id: "evt_2025_1001",
        ko: "네온 나이트 라이브",
        en: "Neon Night Live",
        venue_ko: "올림픽 홀",
        venue_en: "Olympic Hall",
        starts_at: "2035-10-01T10:00:00.000Z",
        opens_at: ON_SALE,
    },
    Show {
        id: "evt_2025_1002",
        ko: "한강 오케스트라의 밤",
        en: "Han River Orchestra Night",
        venue_ko: "강변 콘서트홀",
        venue_en: "Riverside Concert Hall",
        starts_at: "2035-10-09T10:00:00.000Z",
        opens_at: ON_SALE,
    },
    Show {
        id: "evt_2025_1004",
        ko: "가을 재즈 페스티벌",
        en: "Autumn Jazz Festival",
        venue_ko: "숲속 야외극장",
        venue_en: "Forest Amphitheatre",
        starts_at: "2035-10-20T09:00:00.000Z",
        opens_at: ON_SALE,
    },
    Show {
        id: "evt_2025_1005",
        ko: "별빛 뮤지컬 갈라",
        en: "Starlight Musical Gala",
        venue_ko: "시민 아트센터",
        venue_en: "Citizens' Arts Centre",
        starts_at: "2035-11-05T10:30:00.000Z",
        opens_at: ON_SALE,
    },
    Show {
        id: "evt_2025_1006",
        ko: "연말 카운트다운 콘서트",
        en: "Year-End Countdown Concert",
        venue_ko: "국제 아레나",
        venue_en: "International Arena",
        starts_at: "2035-12-31T13:00:00.000Z",
        opens_at: "2035-11-01T03:00:00.000Z",
    },
];

/// Row `r` of `rows` has 10 + 2 × ⌊10 r ÷ rows⌋ seats: the hall opens towards the back.
fn rows(rows: u64) -> Vec<Value> {
    (1..=rows).map(|r| json!({ "id": r.to_string(), "count": 10 + 2 * (10 * r / rows) })).collect()
}

/// Without a layout: the page places the floors one behind the other by rule.
fn section(floor: u64, (id, ko, en, price): (&str, &str, &str, u64)) -> Value {
    json!({ "id": id, "name": { "ko": ko, "en": en }, "kind": "seated", "price": price, "rows": rows(15 + floor) })
}

fn event(show: &Show) -> Event {
    let body = json!({
        "name": { "ko": show.ko, "en": show.en },
        "venue": { "ko": show.venue_ko, "en": show.venue_en },
        "starts_at": show.starts_at,
        "sale_opens_at": show.opens_at,
        "queue": { "entry_window_sec": 90 },
        "sections": (0..).zip(FLOORS).map(|(floor, seats)| section(floor, seats)).collect::<Vec<_>>(),
    });
    let body: EventBody = serde_json::from_value(body).expect("the development events are well formed");
    let id = EventId::parse(show.id).expect("the development ids are well formed");
    body.complete(id, 1, MADE_AT).expect("the development events keep the rules")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn user(sql: &mut String, number: u8, username: &str, password: &str, display_name: &str, role: &str) {
    let id = format!("00000000-0000-4000-8000-{number:012}");
    let mut salt = *b"development salt";
    salt[15] = number;
    let hash = password::hash(password, &salt);
    let values = [&id, username, display_name, &format!("{username}@traffic-tacos.test"), role, &hash].map(quoted).join(", ");
    let _ = writeln!(
        sql,
        "INSERT INTO users (user_id, username, display_name, email, role, password_hash, created_at) VALUES ({values}, {}) \
         ON CONFLICT DO NOTHING;",
        MADE_AT.0
    );
}

fn development() -> String {
    let mut sql = String::from(
        "-- Development data, made by workers/gateway/examples/seed.rs. Never for a deployment: its passwords are public.\n\n",
    );
    for number in 1..=10 {
        let (name, password) = (format!("user{number:02}"), format!("pwd{number:02}"));
        user(&mut sql, number, &name, &password, &format!("User {number:02}"), "user");
    }
    user(&mut sql, 99, "admin", "admin-dev", "Admin", "admin");
    sql.push('\n');
    for show in &SHOWS {
        let event = event(show);
        let body = serde_json::to_string(&event).expect("an event is plain data");
        // A newer version, changed by an organiser, stays.
        let _ = writeln!(
            sql,
            "INSERT INTO events (event_id, version, body, updated_at) VALUES ({}, {}, {}, {}) ON CONFLICT DO NOTHING;",
            quoted(show.id),
            event.version,
            quoted(&body),
            MADE_AT.0
        );
    }
    sql
}

#[allow(clippy::print_stdout, reason = "printing is what this program is for")]
fn main() {
    print!("{}", development());
}

#[cfg(test)]
mod tests {
    use domain::event::SectionKind;

    use super::*;

    #[test]
    fn the_committed_file_is_what_this_program_prints() {
        assert!(include_str!("../../../seeds/development.sql") == development(), "run the seed example again");
    }

    #[test]
    fn floors_have_15_to_23_rows_that_grow_towards_the_back() {
        let event = event(&SHOWS[0]);
        let seats: Vec<Vec<u32>> = event
            .sections
            .iter()
            .map(|section| match &section.kind {
                SectionKind::Seated { rows } => rows.iter().map(|row| row.count).collect(),
                SectionKind::General { .. } => Vec::new(),
            })
            .collect();
        assert_eq!(seats.iter().map(Vec::len).collect::<Vec<_>>(), (15..=23).collect::<Vec<_>>());
        assert!(seats.iter().all(|rows| rows.first() == Some(&10) && rows.last() == Some(&30)));
        assert_eq!(event.sections[0].price, 120_000);
        assert!(event.sections.windows(2).all(|pair| pair[0].price > pair[1].price));
    }

    #[test]
    fn all_but_the_last_are_on_sale() {
        let now = Millis(1_795_000_000_000);
        let open: Vec<_> = SHOWS.iter().map(|show| event(show).is_before_opening(now)).collect();
        assert_eq!(open, [false, false, false, false, true]);
        assert!(SHOWS.iter().all(|show| !event(show).is_closed(now)));
    }

    #[test]
    fn each_user_signs_in_with_the_password_of_the_contract() {
        let sql = development();
        for (name, password) in [("user01", "pwd01"), ("user10", "pwd10"), ("admin", "admin-dev")] {
            let line = sql.lines().find(|line| line.contains(&format!("'{name}'"))).expect("a line");
            let hash = line.split('\'').find(|part| part.starts_with("$argon2id$")).expect("a hash");
            assert!(password::matches(password, hash), "{name}");
        }
    }
}
