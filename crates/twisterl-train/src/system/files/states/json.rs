//! JSON and JSON Lines.

use super::{Entry, Instance, Refusal, lines, number};
use serde::de::IgnoredAny;
use serde_json::{Deserializer, Value};
use twisterl_core::error::from_serde::describe;
use twisterl_core::error::json::{self, JsonError};

/// Reads one JSON value, or several one after the other, each of which is then a state. `length` is the number of numbers
/// of a state, where it is known.
pub(super) fn parse(text: &str, length: Option<usize>) -> Result<Vec<Entry>, Refusal> {
    let text = lines::without_comments(text);
    match stream(&text) {
        Ok(values) => match &values[..] {
            [(start, value)] => document(&text, *start, value, length),
            values => {
                let place = |start| format!("line {}", line_of(&text, start));
                Ok(values.iter().map(|(start, value)| instance(value, place(*start))).collect())
            }
        },
        Err(refusal) => by_line(&text).ok_or(refusal),
    }
}

/// Reads a text that has an error as JSON Lines, so that each line has its own; `None` if fewer than half of its lines are
/// values by themselves.
fn by_line(text: &str) -> Option<Vec<Entry>> {
    let lines: Vec<_> = lines::significant(text).collect();
    let mut values = 0;
    let entries = lines.iter().map(|line| {
        let [(_, value)] = &stream(line.text).map_err(|refusal| refusal.below(line.number))?[..]
        else {
            return Err(Refusal::at_line(line.number, "one state", "several"));
        };
        values += usize::from(value.is_array() || value.is_object());
        instance(value, format!("line {}", line.number))
    });
    let entries: Vec<Entry> = entries.collect();
    (lines.len() > 1 && 2 * values >= lines.len()).then_some(entries)
}

/// Reads all values of a text, each with the byte at which it begins or at which blanks before it do.
fn stream(text: &str) -> Result<Vec<(usize, Value)>, Refusal> {
    let mut values: Vec<(usize, Value)> = Vec::new();
    let mut stream = Deserializer::from_str(text).into_iter::<IgnoredAny>();
    loop {
        let start = stream.byte_offset();
        let Some(ended) = stream.next() else { break };
        ended.map_err(|error| syntax(text, &error))?;
        let value = json::parse(&text.as_bytes()[start..stream.byte_offset()]);
        values.push((start, value.map_err(|error| repeated(text, start, error))?));
    }
    Ok(values)
}

/// Returns the refusal of a value that is JSON: it repeats a key, or is nested too deeply.
fn repeated(text: &str, start: usize, error: JsonError) -> Refusal {
    let skipped = text[..start].bytes().filter(|&b| b == b'\n').count();
    Refusal::at_line(skipped + error.line, error.expected, error.found)
}

fn syntax(text: &str, error: &serde_json::Error) -> Refusal {
    let (line, column) = (error.line(), error.column());
    if let Some(found) = json::not_finite(text, line, column) {
        return Refusal::at_line(line, "finite numbers", found);
    }
    let message = error.to_string();
    let what = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
    Refusal::new(format!("line {line}, column {column}"), "JSON", what)
}

/// Returns the number of the line on which the first value at or after byte `start` begins.
fn line_of(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let blank = bytes[start..].iter().take_while(|b| b.is_ascii_whitespace()).count();
    1 + bytes[..start + blank].iter().filter(|&&b| b == b'\n').count()
}

/// Reads the states of a file that is one value.
fn document(
    text: &str,
    start: usize,
    value: &Value,
    length: Option<usize>,
) -> Result<Vec<Entry>, Refusal> {
    let single = || Ok(vec![instance(value, format!("line {}", line_of(text, start)))]);
    let (key, items) = match value {
        Value::Object(fields) if fields.contains_key("state") => return single(),
        Value::Object(fields) => {
            let found =
                ["instances", "states"].into_iter().find_map(|key| Some((key, fields.get(key)?)));
            found.ok_or_else(|| {
                let expected = "an object with the list `instances`, or a list of states";
                Refusal::new("", expected, "an object without that list")
            })?
        }
        other => ("", other),
    };
    let Value::Array(items) = items else {
        return Err(Refusal::new(key, "a list of states", describe(items)));
    };
    if key.is_empty() && is_state(items, length) {
        return single();
    }
    let lines = element_lines(text, key);
    let place = |i: usize| format!("line {}, {key}[{i}]", lines.get(i).copied().unwrap_or(1));
    let mut instances: Vec<Entry> =
        items.iter().enumerate().map(|(i, item)| instance(item, place(i))).collect();
    if let Some(lengths) = value.get("optimal").filter(|_| key == "states") {
        add_lengths(&mut instances, lengths)?;
    }
    Ok(instances)
}

/// Adds the lengths of shortest solutions that stand in a list of their own.
fn add_lengths(instances: &mut [Entry], lengths: &Value) -> Result<(), Refusal> {
    let lengths = lengths.as_array().filter(|lengths| lengths.len() == instances.len());
    let Some(lengths) = lengths else {
        let expected = format!("a list of {}, one for each state", instances.len());
        return Err(Refusal::new("optimal", expected, "another value"));
    };
    for (i, (instance, length)) in instances.iter_mut().zip(lengths).enumerate() {
        let length = optimal(length, &format!("optimal[{i}]"))?;
        if let Ok(instance) = instance {
            instance.optimal = length;
        }
    }
    Ok(())
}

/// Returns true for a list of numbers, for a pair of a state and a length, and for rows that only together are as many numbers as a state has.
fn is_state(items: &[Value], length: Option<usize>) -> bool {
    if items.is_empty() || items.iter().all(Value::is_number) {
        return !items.is_empty();
    }
    if matches!(items, [Value::Array(_), Value::Number(_)]) {
        return true; // a pair of a state and the length of its solution
    }
    let width = |item: &Value| match item {
        Value::Array(row) if row.iter().all(Value::is_number) => Some(row.len()),
        _ => None,
    };
    let first = width(&items[0]);
    let rows = first.is_some() && items.iter().all(|item| width(item) == first);
    rows && first != length && length == first.map(|width| width * items.len())
}

/// Reads a state: a list of numbers, flat or in rows, or text with such a list; with the length of a shortest solution as
/// an object, or as a pair.
fn instance(value: &Value, place: String) -> Entry {
    let (state, length) = match value {
        Value::Object(fields) => match fields.get("state") {
            Some(state) => (state, fields.get("optimal")),
            None => {
                return Err(Refusal::new(place, "an object with `state`", "one without it"));
            }
        },
        Value::Array(pair) => match &pair[..] {
            [state @ Value::Array(_), length @ (Value::Number(_) | Value::Null)] => {
                (state, Some(length))
            }
            _ => (value, None),
        },
        other => (other, None),
    };
    let within = |key: &str| match value {
        Value::Object(_) => format!("{place}.{key}"),
        _ => place.clone(),
    };
    let mut numbers = Vec::new();
    match state {
        Value::Array(items) => push_numbers(items, &within("state"), &mut numbers)?,
        Value::String(text) => {
            numbers = number::list(text)
                .map_err(|found| Refusal::new(within("state"), number::EXPECTED, found))?;
        }
        other => {
            let expected = "a list of numbers, or an object with `state`";
            return Err(Refusal::new(within("state"), expected, describe(other)));
        }
    }
    let optimal = length.map_or(Ok(None), |length| optimal(length, &within("optimal")))?;
    Ok(Instance { state: numbers, optimal, place })
}

/// Appends the numbers of a list, row after row.
fn push_numbers(items: &[Value], place: &str, out: &mut Vec<f64>) -> Result<(), Refusal> {
    for (i, item) in items.iter().enumerate() {
        match item {
            Value::Number(number) => out.push(number.as_f64().unwrap_or(f64::NAN)),
            Value::Array(row) => push_numbers(row, &format!("{place}[{i}]"), out)?,
            other => {
                return Err(Refusal::new(format!("{place}[{i}]"), "a number", describe(other)));
            }
        }
    }
    Ok(())
}

fn optimal(value: &Value, place: &str) -> Result<Option<u32>, Refusal> {
    if value.is_null() {
        return Ok(None);
    }
    let length = number::optimal(value.as_f64().unwrap_or(-1.0));
    length.map(Some).map_err(|expected| Refusal::new(place, expected, describe(value)))
}

/// Returns the line of each item of the list that is the value itself, or the field `key` of it. The text is valid JSON.
fn element_lines(text: &str, key: &str) -> Vec<usize> {
    let list_depth = if key.is_empty() { 1 } else { 2 };
    let (mut depth, mut line, mut within) = (0, 1, false);
    let (mut string, mut escaped, mut word) = (false, false, Vec::new());
    let (mut expects, mut lines) = (false, Vec::new());
    for byte in text.bytes() {
        line += usize::from(byte == b'\n');
        if string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => string = false,
                other => word.push(other),
            }
            continue;
        }
        if byte.is_ascii_whitespace() {
            continue;
        }
        if expects && within && depth == list_depth && byte != b']' {
            lines.push(line);
        }
        expects = false;
        match byte {
            b'"' => {
                string = true;
                word.clear();
            }
            b'[' | b'{' => {
                depth += 1;
                // The key before a field of the outermost object is the last string.
                if depth == list_depth && byte == b'[' && (key.is_empty() || word == key.as_bytes())
                {
                    (within, expects) = (true, true);
                }
            }
            b']' | b'}' => {
                within &= depth != list_depth;
                depth -= 1;
            }
            b',' => expects = true,
            _ => {}
        }
    }
    lines
}
