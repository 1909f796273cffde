//! JSON broken at its joints: any part replaced, doubled, removed, renamed, wrapped or taken from another sample.

use proptest::prelude::*;
use serde_json::Value;

use crate::bytes::{INPUT_MAX_BYTES, Input, any_edit, edited};

/// Texts that stand where a value should. Not all of them are JSON.
fn hostile_values() -> Vec<Vec<u8>> {
    let plain = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1",
        "1",
        "2",
        "0.5",
        "-0.0",
        "1e2",
        "1e999",
        "-1e999",
        "1e-999",
        "255",
        "256",
        "65536",
        "2147483648",
        "4294967295",
        "4294967296",
        "9007199254740993",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "340282366920938463463374607431768211456",
        "01",
        "+1",
        ".5",
        "1.",
        "0x10",
        "NaN",
        "Infinity",
        "-",
        "",
        "[",
        "{",
        "]",
        "}",
        "[]",
        "{}",
        "[null]",
        "{\"\":null}",
        "[[],[]]",
        "/**/1",
        "'a'",
        "\"",
        "\"\"",
        "\" \"",
        "\"a\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\\u12\"",
        "\"\\x\"",
        "\"a\nb\"",
        "\"\u{7f}\"",
        "\"가힣 \u{202e}\u{200b}\"",
        "\"👩‍👩‍👧‍👦\"",
        "\"-1\"",
        "\"1\"",
        "\"../../etc\"",
        "\"' OR 1=1 --\"",
        "\"<script>\"",
        "\"%00\"",
        "\"9999-12-31T23:59:59.999Z\"",
        "\"1970-01-01T00:00:00Z\"",
        "\"0000-01-01T00:00:00Z\"",
        "\"2026-13-45T99:99:99Z\"",
        "\"+292278994-08-17T07:12:55.807Z\"",
        "\"KRW\"",
        "\"krw\"",
        "{\"ko\":\"a\",\"en\":\"b\"}",
        "{\"ko\":1}",
    ];
    let mut values: Vec<Vec<u8>> = plain.iter().map(|text| text.as_bytes().to_vec()).collect();
    values.push(b"\"\xff\xfe\"".to_vec());
    values.push("9".repeat(400).into_bytes());
    values.push(format!("0.{}1", "0".repeat(400)).into_bytes());
    for depth in [2, 100, 126, 127, 128, 129, 2000, 20_000] {
        values.push(["[".repeat(depth), "]".repeat(depth)].concat().into_bytes());
        values.push([r#"{"a":"#.repeat(depth), "1".to_owned(), "}".repeat(depth)].concat().into_bytes());
    }
    for (unit, times) in
        [("0", 3000), ("[]", 3000), ("{}", 2000), ("[0]", 5000), (r#"{"":0}"#, 3000), (r#""""#, 3000), ("1", 12_000)]
    {
        values.push(format!("[{}]", vec![unit; times].join(",")).into_bytes());
    }
    let members: Vec<String> = (0..2000).map(|i| format!("\"{i}\":0")).collect();
    values.push(format!("{{{}}}", members.join(",")).into_bytes());
    for len in [32, 33, 64, 65, 128, 129, 255, 256, 500, 501, 5000, 60_000] {
        values.push(format!("\"{}\"", "x".repeat(len)).into_bytes());
        values.push(format!("\"{}\"", "가".repeat(len / 3)).into_bytes());
    }
    values
}

/// One thing that is done to a part of the tree.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Another text stands in its place.
    Replace(Vec<u8>),
    /// A part of another sample stands in its place.
    Graft(usize, u16),
    /// As a number: it is this one.
    Number(u64),
    /// As a member: the same key comes twice, with this text first. As an element: it comes twice.
    Double(Vec<u8>),
    /// It is gone, with its key.
    Remove,
    /// As a member: its key is this text.
    Rename(Vec<u8>),
    /// It is inside so many arrays.
    Wrap(u16),
    /// As an element: it comes so many times.
    Repeat(u16),
}

/// Any edit.
fn any_node_edit() -> impl Strategy<Value = Edit> {
    let values = hostile_values();
    let number = prop_oneof![3 => 0..12_u64, 1 => 0..300_u64, 1 => any::<u32>().prop_map(u64::from), 1 => any::<u64>()];
    let value = (0..values.len()).prop_map(move |i| values[i].clone()).boxed();
    prop_oneof![
        6 => value.clone().prop_map(Edit::Replace),
        6 => number.prop_map(Edit::Number),
        4 => any::<(usize, u16)>().prop_map(|(sample, node)| Edit::Graft(sample, node)),
        2 => value.clone().prop_map(Edit::Double),
        2 => Just(Edit::Remove),
        1 => value.prop_map(Edit::Rename),
        1 => (1..200_u16).prop_map(Edit::Wrap),
        1 => (2..600_u16).prop_map(Edit::Repeat),
    ]
}

/// The parts of a tree, itself the first, in the order in which they are written.
fn nodes<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    found.push(value);
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| nodes(element, found)),
        Value::Object(members) => members.values().for_each(|member| nodes(member, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Writes a tree with some of its parts broken.
struct Writer<'a> {
    samples: &'a [Value],
    /// Which part, by its place in [`nodes`], is broken how.
    edits: Vec<(usize, &'a Edit)>,
    next: usize,
    out: Vec<u8>,
}

impl<'a> Writer<'a> {
    /// What is done to the part that comes now.
    fn edit(&mut self) -> Option<&'a Edit> {
        let place = self.next;
        self.next += 1;
        self.edits.iter().find(|(at, _)| *at == place).map(|(_, edit)| *edit)
    }

    fn text(&mut self, text: &[u8]) {
        if self.out.len() < INPUT_MAX_BYTES {
            self.out.extend_from_slice(text);
        }
    }

    fn list<T>(&mut self, (open, close): (&[u8], &[u8]), parts: impl Iterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.text(open);
        for (index, part) in parts.enumerate() {
            if index > 0 {
                self.text(b",");
            }
            write(self, part);
        }
        self.text(close);
    }

    /// One part with whatever stands in front of it.
    fn part(&mut self, key: Option<&str>, value: &Value) {
        let edit = self.edit();
        let named = |writer: &mut Self, key: &[u8]| {
            writer.text(key);
            writer.text(b":");
        };
        let key = key.map(|key| Value::from(key).to_string().into_bytes());
        match (edit, &key) {
            (Some(Edit::Remove), Some(_)) => {
                // A member with a name that nobody reads stands for one that is not there.
                self.text(b"\"_\":0");
                return self.skip(value);
            }
            (Some(Edit::Remove), None) => {
                self.text(b"null");
                return self.skip(value);
            }
            (Some(Edit::Double(first)), Some(key)) => {
                named(self, key);
                self.text(first);
                self.text(b",");
                named(self, key);
            }
            (Some(Edit::Rename(name)), Some(_)) => named(self, name),
            (_, Some(key)) => named(self, key),
            (_, None) => {}
        }
        match edit {
            Some(Edit::Replace(text)) => {
                self.text(text);
                self.skip(value);
            }
            Some(Edit::Graft(sample, node)) => {
                let mut found = vec![];
                nodes(&self.samples[sample % self.samples.len()], &mut found);
                let graft = found[usize::from(*node) % found.len()].to_string();
                self.text(graft.as_bytes());
                self.skip(value);
            }
            Some(Edit::Number(number)) if value.is_number() => self.text(number.to_string().as_bytes()),
            Some(Edit::Wrap(depth)) => {
                self.text(&b"[".repeat(usize::from(*depth)));
                self.plain(value);
                self.text(&b"]".repeat(usize::from(*depth)));
            }
            Some(Edit::Repeat(times)) if key.is_none() => {
                let text = value.to_string();
                self.text([text.as_str(), ","].concat().repeat(usize::from(*times)).as_bytes());
                self.plain(value);
            }
            _ => self.plain(value),
        }
    }

    fn plain(&mut self, value: &Value) {
        match value {
            Value::Array(elements) => self.list((b"[", b"]"), elements.iter(), |writer, element| writer.part(None, element)),
            Value::Object(members) => {
                self.list((b"{", b"}"), members.iter(), |writer, (key, member)| writer.part(Some(key), member));
            }
            scalar => self.text(scalar.to_string().as_bytes()),
        }
    }

    /// Counts the parts that are not written.
    fn skip(&mut self, value: &Value) {
        let mut found = vec![];
        nodes(value, &mut found);
        self.next += found.len() - 1;
    }
}

/// How a sample is broken.
#[derive(Clone, Debug)]
pub struct Breakage {
    sample: usize,
    parts: Vec<(u16, Edit)>,
    text: Vec<crate::bytes::Edit>,
}

/// The sample as it is.
pub fn any_whole() -> impl Strategy<Value = Breakage> {
    any::<usize>().prop_map(|sample| Breakage { sample, parts: vec![], text: vec![] })
}

/// Any breakage: of parts mostly, of bytes now and then, of nothing sometimes.
pub fn any_breakage() -> impl Strategy<Value = Breakage> {
    let parts = prop::collection::vec((any::<u16>(), any_node_edit()), 0..4);
    let text = prop_oneof![4 => Just(vec![]), 1 => prop::collection::vec(any_edit(), 1..4)];
    (any::<usize>(), parts, text).prop_map(|(sample, parts, text)| Breakage { sample, parts, text })
}

impl Breakage {
    /// The text that comes of one of `samples`.
    #[must_use]
    pub fn of(&self, samples: &[Value]) -> Input {
        let sample = &samples[self.sample % samples.len()];
        let mut found = vec![];
        nodes(sample, &mut found);
        let edits = self.parts.iter().map(|(at, edit)| (usize::from(*at) % found.len(), edit)).collect();
        let mut writer = Writer { samples, edits, next: 0, out: vec![] };
        writer.part(None, sample);
        writer.out.truncate(INPUT_MAX_BYTES);
        edited(writer.out, &self.text)
    }
}

/// Broken copies of the samples, now and then a whole one.
pub fn hostile(samples: Vec<Value>) -> impl Strategy<Value = Input> {
    assert!(!samples.is_empty(), "there is something to break");
    any_breakage().prop_map(move |breakage| breakage.of(&samples))
}
