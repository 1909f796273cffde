//! An event as its organiser describes it: checked once, completed with defaults, then trusted.

use serde::{Deserialize, Serialize};

use crate::{
    id::EventId,
    money::{Amount, Currency},
    time::{Millis, Timestamp},
};

/// Most seats and places an event can have.
pub const SEATS_MAX: u64 = 200_000;
/// Most sections of an event.
pub const SECTIONS_MAX: usize = 500;
/// Longest name, venue, notice or section name, in bytes.
pub const TEXT_MAX_BYTES: usize = 500;
/// Longest section or row id, in bytes.
pub const LABEL_MAX_BYTES: usize = 32;
/// Longest admission, in seconds.
pub const ADMISSION_TTL_MAX_SEC: u32 = 3600;
/// Highest price of a seat, in minor units: keeps every total exact in a double.
pub const PRICE_MAX: Amount = 1_000_000_000_000;

/// Text in one language or in Korean and English.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// The same for everybody.
    One(String),
    /// By language.
    ByLanguage {
        /// Korean.
        ko: String,
        /// English.
        en: String,
    },
}

impl Text {
    fn each(&self) -> Vec<&str> {
        match self {
            Self::One(text) => vec![text],
            Self::ByLanguage { ko, en } => vec![ko, en],
        }
    }
}

/// How urgent a notice is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeLevel {
    /// Good to know.
    #[default]
    Info,
    /// Something is not as expected.
    Warning,
}

/// What the organiser tells those who wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Korean.
    pub ko: String,
    /// English.
    pub en: String,
    /// How urgent it is.
    #[serde(default)]
    pub level: NoticeLevel,
}

/// Admission settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSettings {
    /// Admissions a second, 1 to 100,000.
    pub admit_per_sec: u32,
    /// Admissions at once beyond the rate, 1 to 1,000,000.
    pub burst: u32,
    /// People ready or shopping at the same time, 1 to 1,000,000.
    pub max_active: u32,
    /// How long a ready place may enter, in seconds, 1 to 3600.
    pub entry_window_sec: u32,
    /// How long an admission lasts, in seconds, 1 to [`ADMISSION_TTL_MAX_SEC`].
    pub admission_ttl_sec: u32,
    /// Lane objects that take joins, 1 to 256.
    pub lanes: u32,
    /// Nobody is let in while this is set.
    pub paused: bool,
    /// What the organiser tells those who wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
}

/// The admission settings that a request names; the others stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePatch {
    /// See [`QueueSettings::admit_per_sec`].
    pub admit_per_sec: Option<u32>,
    /// See [`QueueSettings::burst`].
    pub burst: Option<u32>,
    /// See [`QueueSettings::max_active`].
    pub max_active: Option<u32>,
    /// See [`QueueSettings::entry_window_sec`].
    pub entry_window_sec: Option<u32>,
    /// See [`QueueSettings::admission_ttl_sec`].
    pub admission_ttl_sec: Option<u32>,
    /// See [`QueueSettings::lanes`].
    pub lanes: Option<u32>,
    /// See [`QueueSettings::paused`].
    pub paused: Option<bool>,
    /// A notice, or JSON null to take it away.
    #[serde(default, deserialize_with = "named")]
    pub notice: Option<Option<Notice>>,
}

/// Tells a field that is null from one that is absent.
fn named<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl QueueSettings {
    /// The settings with what `patch` names changed.
    ///
    /// # Errors
    /// A value is out of its bounds.
    pub fn patched(&self, patch: &QueuePatch) -> Result<Self, Problem> {
        let settings = Self {
            admit_per_sec: patch.admit_per_sec.unwrap_or(self.admit_per_sec),
            burst: patch.burst.unwrap_or(self.burst),
            max_active: patch.max_active.unwrap_or(self.max_active),
            entry_window_sec: patch.entry_window_sec.unwrap_or(self.entry_window_sec),
            admission_ttl_sec: patch.admission_ttl_sec.unwrap_or(self.admission_ttl_sec),
            lanes: patch.lanes.unwrap_or(self.lanes),
            paused: patch.paused.unwrap_or(self.paused),
            notice: patch.notice.clone().unwrap_or_else(|| self.notice.clone()),
        };
        settings.check("")?;
        Ok(settings)
    }

    fn check(&self, prefix: &str) -> Result<(), Problem> {
        let within = |field: &str, value: u32, max: u32| {
            let problem = || Problem::new(format!("{prefix}{field}"), format!("must be 1 to {max}"));
            (1..=max).contains(&value).then_some(()).ok_or_else(problem)
        };
        within("admit_per_sec", self.admit_per_sec, 100_000)?;
        within("burst", self.burst, 1_000_000)?;
        within("max_active", self.max_active, 1_000_000)?;
        within("entry_window_sec", self.entry_window_sec, 3600)?;
        within("admission_ttl_sec", self.admission_ttl_sec, ADMISSION_TTL_MAX_SEC)?;
        within("lanes", self.lanes, 256)?;
        let notice = self.notice.iter().flat_map(|notice| [("notice.ko", &notice.ko), ("notice.en", &notice.en)]);
        for (field, text) in notice {
            check_text(&format!("{prefix}{field}"), text)?;
        }
        Ok(())
    }
}

/// A row of numbered seats, from 1 to `count`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its label.
    pub id: String,
    /// How many seats it has.
    pub count: u32,
    /// Seat numbers that are not for sale.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<u32>,
}

/// What a section consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SectionKind {
    /// Numbered seats in rows, front row first.
    Seated {
        /// The rows.
        rows: Vec<Row>,
    },
    /// Places without numbers.
    General {
        /// How many.
        capacity: u32,
    },
}

/// A part of the venue with one price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Its label, unique in the event.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// Price of a seat, in minor units.
    pub price: Amount,
    /// Rows or capacity.
    #[serde(flatten)]
    pub kind: SectionKind,
    /// Where a page draws it; see the public contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
}

/// Where a page draws a section, in seat widths and degrees.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layout {
    /// Right of the stage's middle.
    pub x: f64,
    /// Away from the stage.
    pub y: f64,
    /// Clockwise turn.
    pub angle: f64,
    /// Radius of the rows' arc; 0 is straight.
    pub curve: f64,
    /// Which floor.
    pub floor: i32,
    /// Gaps.
    pub aisles: Aisles,
}

// The fields are numbers that JSON can write, never NaN.
impl Eq for Layout {}

/// Gaps between seats and rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Aisles {
    /// Seat numbers that have an aisle to their right.
    pub after_seats: Vec<u32>,
    /// Row indices, from 1, that have an aisle behind them.
    pub after_rows: Vec<u32>,
}

/// An event, complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its id.
    pub event_id: EventId,
    /// Rises with every change; an object ignores an older one.
    pub version: u64,
    /// Its name.
    pub name: Text,
    /// Where it takes place.
    pub venue: Text,
    /// When it begins.
    pub starts_at: Option<Timestamp>,
    /// When sales begin.
    pub sale_opens_at: Timestamp,
    /// When sales end; never where there is none.
    pub sale_closes_at: Option<Timestamp>,
    /// The currency of every price.
    pub currency: Currency,
    /// How long a hold lasts, in seconds.
    pub hold_ttl_sec: u32,
    /// Seats one reservation may have.
    pub max_seats_per_reservation: u32,
    /// Seats one user may hold and own in all.
    pub max_seats_per_user: u32,
    /// Admission settings.
    pub queue: QueueSettings,
    /// The sections, in map order.
    pub sections: Vec<Section>,
}

impl Event {
    /// Whether sales have not begun, at `now`.
    #[must_use]
    pub fn is_before_opening(&self, now: Millis) -> bool {
        now < self.sale_opens_at.0
    }

    /// Whether sales have begun and are not over, at `now`.
    #[must_use]
    pub fn is_on_sale(&self, now: Millis) -> bool {
        !self.is_before_opening(now) && !self.is_closed(now)
    }

    /// Whether sales are over, at `now`.
    #[must_use]
    pub fn is_closed(&self, now: Millis) -> bool {
        self.sale_closes_at.is_some_and(|closes| closes.0 <= now)
    }
}

/// A field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a path: `sections[2].rows[0].count`.
    pub field: String,
    /// What is wrong.
    pub problem: String,
}

impl Problem {
    /// A problem at `field`.
    #[must_use]
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

/// An event as it is sent; what is absent has a default.
#[derive(Clone, Debug, Deserialize)]
pub struct EventBody {
    name: Text,
    venue: Option<Text>,
    starts_at: Option<Timestamp>,
    sale_opens_at: Option<Timestamp>,
    sale_closes_at: Option<Timestamp>,
    currency: Option<Currency>,
    hold_ttl_sec: Option<u32>,
    max_seats_per_reservation: Option<u32>,
    max_seats_per_user: Option<u32>,
    #[serde(default)]
    queue: QueuePatch,
    sections: Vec<SectionBody>,
}

#[derive(Clone, Debug, Deserialize)]
struct SectionBody {
    id: String,
    name: Option<Text>,
    kind: Option<String>,
    price: Amount,
    rows: Option<Vec<Row>>,
    capacity: Option<u32>,
    layout: Option<Layout>,
}

impl EventBody {
    /// Whether the body says how many lanes there are.
    #[must_use]
    pub const fn names_lanes(&self) -> bool {
        self.queue.lanes.is_some()
    }

    /// Checks the body and completes it; `now` is the default opening time.
    ///
    /// # Errors
    /// The first field that breaks a rule.
    pub fn complete(self, event_id: EventId, version: u64, now: Millis) -> Result<Event, Problem> {
        let bounded = |field: &str, value: Option<u32>, default: u32, max: u32| {
            let value = value.unwrap_or(default);
            let problem = || Problem::new(field, format!("must be 1 to {max}"));
            (1..=max).contains(&value).then_some(value).ok_or_else(problem)
        };
        let sections = self.sections.into_iter().enumerate().map(|(i, section)| section.complete(i));
        let event = Event {
            event_id,
            version,
            name: self.name,
            venue: self.venue.unwrap_or_else(|| Text::One(String::new())),
            starts_at: self.starts_at,
            sale_opens_at: self.sale_opens_at.unwrap_or(Timestamp(now)),
            sale_closes_at: self.sale_closes_at.or(self.starts_at),
            currency: self.currency.unwrap_or(Currency::KRW),
            hold_ttl_sec: bounded("hold_ttl_sec", self.hold_ttl_sec, 60, 3600)?,
            max_seats_per_reservation: bounded("max_seats_per_reservation", self.max_seats_per_reservation, 10, 100)?,
            max_seats_per_user: bounded("max_seats_per_user", self.max_seats_per_user, 10, 1000)?,
            queue: queue_settings(&self.queue)?,
            sections: sections.collect::<Result<_, _>>()?,
        };
        check_names(&event)?;
        check_sections(&event.sections)?;
        if event.sale_closes_at.is_some_and(|closes| closes <= event.sale_opens_at) {
            return Err(Problem::new("sale_closes_at", "must be later than sale_opens_at"));
        }
        Ok(event)
    }
}

fn queue_settings(patch: &QueuePatch) -> Result<QueueSettings, Problem> {
    let admit_per_sec = patch.admit_per_sec.unwrap_or(50);
    let settings = QueueSettings {
        admit_per_sec,
        burst: patch.burst.unwrap_or_else(|| admit_per_sec.saturating_mul(2)),
        max_active: patch.max_active.unwrap_or(2000),
        entry_window_sec: patch.entry_window_sec.unwrap_or(60),
        admission_ttl_sec: patch.admission_ttl_sec.unwrap_or(180),
        lanes: patch.lanes.unwrap_or(1),
        paused: patch.paused.unwrap_or(false),
        notice: patch.notice.clone().flatten(),
    };
    settings.check("queue.")?;
    Ok(settings)
}

impl SectionBody {
    fn complete(self, index: usize) -> Result<Section, Problem> {
        let at = |field: &str| format!("sections[{index}].{field}");
        let kind = match (self.kind.as_deref(), self.rows, self.capacity) {
            (Some("seated") | None, Some(rows), None) => SectionKind::Seated { rows },
            (Some("general") | None, None, Some(capacity)) => SectionKind::General { capacity },
            (Some("seated"), ..) => return Err(Problem::new(at("rows"), "a seated section has rows and no capacity")),
            (Some("general"), ..) => return Err(Problem::new(at("capacity"), "a general section has a capacity and no rows")),
            (Some(_), ..) => return Err(Problem::new(at("kind"), "must be seated or general")),
            (None, ..) => return Err(Problem::new(at("rows"), "either rows or capacity is needed")),
        };
        let name = self.name.unwrap_or_else(|| Text::One(self.id.clone()));
        Ok(Section { id: self.id, name, price: self.price, kind, layout: self.layout })
    }
}

fn check_names(event: &Event) -> Result<(), Problem> {
    for text in event.name.each() {
        check_text("name", text)?;
        if text.trim().is_empty() {
            return Err(Problem::new("name", "must not be empty"));
        }
    }
    event.venue.each().into_iter().try_for_each(|text| check_text("venue", text))
}

fn check_text(field: &str, text: &str) -> Result<(), Problem> {
    let problem = || Problem::new(field, format!("must be at most {TEXT_MAX_BYTES} bytes"));
    (text.len() <= TEXT_MAX_BYTES).then_some(()).ok_or_else(problem)
}

fn check_label(field: &str, label: &str) -> Result<(), Problem> {
    let fits = (1..=LABEL_MAX_BYTES).contains(&label.len());
    let plain = !label.chars().any(|c| c.is_control() || c.is_whitespace());
    let problem = || Problem::new(field, format!("must be 1 to {LABEL_MAX_BYTES} bytes without spaces"));
    (fits && plain).then_some(()).ok_or_else(problem)
}

fn check_sections(sections: &[Section]) -> Result<(), Problem> {
    if sections.is_empty() || sections.len() > SECTIONS_MAX {
        return Err(Problem::new("sections", format!("must be 1 to {SECTIONS_MAX} sections")));
    }
    let mut seats: u64 = 0;
    let mut section_ids = std::collections::BTreeSet::new();
    let mut row_ids = std::collections::BTreeSet::new();
    for (i, section) in sections.iter().enumerate() {
        let at = |field: &str| format!("sections[{i}].{field}");
        check_label(&at("id"), &section.id)?;
        if !section_ids.insert(section.id.as_str()) {
            return Err(Problem::new(at("id"), "is used twice"));
        }
        section.name.each().into_iter().try_for_each(|text| check_text(&at("name"), text))?;
        if section.price > PRICE_MAX {
            return Err(Problem::new(at("price"), format!("must be at most {PRICE_MAX}")));
        }
        match &section.kind {
            SectionKind::General { capacity: 0 } => return Err(Problem::new(at("capacity"), "must be at least 1")),
            SectionKind::General { capacity } => seats += u64::from(*capacity),
            SectionKind::Seated { rows } => {
                if rows.is_empty() {
                    return Err(Problem::new(at("rows"), "must not be empty"));
                }
                for (r, row) in rows.iter().enumerate() {
                    let field = at(&format!("rows[{r}]"));
                    check_row(&field, row)?;
                    if !row_ids.insert(format!("{}-{}", section.id, row.id)) {
                        return Err(Problem::new(format!("{field}.id"), "gives the same seat ids as another row"));
                    }
                    seats += u64::from(row.count);
                }
            }
        }
    }
    let problem = || Problem::new("sections", format!("must have at most {SEATS_MAX} seats in all"));
    (seats <= SEATS_MAX).then_some(()).ok_or_else(problem)
}

fn check_row(field: &str, row: &Row) -> Result<(), Problem> {
    check_label(&format!("{field}.id"), &row.id)?;
    if row.count == 0 {
        return Err(Problem::new(format!("{field}.count"), "must be at least 1"));
    }
    if row.blocked.iter().any(|number| !(1..=row.count).contains(number)) {
        return Err(Problem::new(format!("{field}.blocked"), "names a seat that the row does not have"));
    }
    Ok(())
}

/// Reads a stored event.
///
/// # Errors
/// The JSON is not what [`Event`] writes.
pub fn from_json(json: &str) -> Result<Event, serde_json::Error> {
    serde_json::from_slice(json.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_795_262_400_000);

    fn complete(json: &str) -> Result<Event, Problem> {
        let body: EventBody = serde_json::from_str(json).unwrap();
        body.complete(EventId::parse("evt_1").unwrap(), 1, NOW)
    }

    #[test]
    fn a_name_and_sections_are_enough() {
        let event = complete(r#"{"name":"N","sections":[{"id":"A","price":10,"rows":[{"id":"1","count":3}]}]}"#).unwrap();
        assert_eq!(event.queue.admit_per_sec, 50);
        assert_eq!(event.queue.burst, 100);
        assert_eq!((event.hold_ttl_sec, event.queue.lanes, event.currency), (60, 1, Currency::KRW));
        assert_eq!((event.sale_opens_at, event.sale_closes_at), (Timestamp(NOW), None));
    }

    #[test]
    fn burst_defaults_to_twice_the_rate_and_closing_to_the_start() {
        let json = r#"{"name":{"ko":"가","en":"G"},"starts_at":"2027-01-01T00:00:00Z","queue":{"admit_per_sec":7},
            "sections":[{"id":"G","kind":"general","price":0,"capacity":5}]}"#;
        let event = complete(json).unwrap();
        assert_eq!((event.queue.burst, event.sale_closes_at), (14, event.starts_at));
    }

    #[test]
    fn what_breaks_a_bound_is_named_by_its_path() {
        let cases = [
            (r#"{"name":" ","sections":[{"id":"A","price":1,"capacity":1}]}"#, "name"),
            (r#"{"name":"N","sections":[]}"#, "sections"),
            (r#"{"name":"N","hold_ttl_sec":0,"sections":[{"id":"A","price":1,"capacity":1}]}"#, "hold_ttl_sec"),
            (r#"{"name":"N","queue":{"lanes":257},"sections":[{"id":"A","price":1,"capacity":1}]}"#, "queue.lanes"),
            (r#"{"name":"N","sections":[{"id":"A","price":1,"capacity":0}]}"#, "sections[0].capacity"),
            (r#"{"name":"N","sections":[{"id":"A","price":1}]}"#, "sections[0].rows"),
            (
                r#"{"name":"N","sections":[{"id":"A","price":1,"rows":[{"id":"1","count":2,"blocked":[3]}]}]}"#,
                "sections[0].rows[0].blocked",
            ),
            (r#"{"name":"N","sections":[{"id":"A","price":1,"capacity":200001}]}"#, "sections"),
            (
                r#"{"name":"N","sections":[{"id":"A","price":1,"capacity":1},{"id":"A","price":1,"capacity":1}]}"#,
                "sections[1].id",
            ),
            (
                r#"{"name":"N","sections":[{"id":"A-1","price":1,"rows":[{"id":"2","count":1}]},{"id":"A","price":1,"rows":[{"id":"1-2","count":1}]}]}"#,
                "sections[1].rows[0].id",
            ),
        ];
        for (json, field) in cases {
            assert_eq!(complete(json).map_err(|problem| problem.field), Err(field.to_owned()), "{json}");
        }
    }

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let event = complete(
            r#"{"name":"N","sections":[{"id":"A","price":10,"layout":{"x":1.5},"rows":[{"id":"1","count":3,"blocked":[2]}]}]}"#,
        )
        .unwrap();
        assert_eq!(from_json(&serde_json::to_string(&event).unwrap()).unwrap(), event);
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_takes_a_notice_away() {
        let settings =
            complete(r#"{"name":"N","queue":{"notice":{"ko":"a","en":"b"}},"sections":[{"id":"A","price":1,"capacity":1}]}"#)
                .unwrap()
                .queue;
        let patch: QueuePatch = serde_json::from_str(r#"{"paused":true}"#).unwrap();
        let patched = settings.patched(&patch).unwrap();
        assert_eq!((patched.paused, patched.notice.is_some()), (true, true));
        let patch: QueuePatch = serde_json::from_str(r#"{"notice":null}"#).unwrap();
        assert_eq!(settings.patched(&patch).unwrap().notice, None);
        let patch: QueuePatch = serde_json::from_str(r#"{"max_active":0}"#).unwrap();
        assert_eq!(settings.patched(&patch).unwrap_err().field, "max_active");
    }
}
