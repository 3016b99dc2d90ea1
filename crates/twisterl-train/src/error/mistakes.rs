//! Mistakes in a config, all at once, each with its place, shown as compilers show theirs.

use annotate_snippets::renderer::Renderer;
use annotate_snippets::{AnnotationKind, Group, Level, Snippet};
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::ops::Range;
use twisterl_core::error::escape::escape_controls;

/// The longest expectation that stands in the first line of a mistake, in characters.
const MAX_TITLE: usize = 100;

/// The most characters of a value that are marked.
const MAX_MARKED: usize = 60;

/// A text from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The place of a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// These bytes of the file.
    File(Range<usize>),
    /// A value that was set in the config from outside, as `path=value`.
    Override(String),
    /// Only its path.
    Path,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The error.
    pub error: twisterl_core::Error,
    /// The place of its value.
    pub place: Place,
    /// The change that mends it, if it is known.
    pub help: Option<String>,
}

/// The mistakes in a config, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    /// The file of the config, if it came from one.
    pub source: Option<Source>,
    /// The mistakes, in the order of the file.
    pub list: Vec<Mistake>,
}

impl Mistake {
    /// Returns the first line, and what is expected if that is too long for it.
    fn title(&self) -> (String, Option<String>) {
        match &self.error {
            twisterl_core::Error::Config { path, expected, found }
                if expected.chars().count() > MAX_TITLE =>
            {
                (format!("{path}: {found}"), Some(format!("expected {expected}")))
            }
            twisterl_core::Error::Config { path, expected, found } if path.is_empty() => {
                (format!("expected {expected}, found {found}"), None)
            }
            twisterl_core::Error::UnknownEnvironment { name, known, also } => {
                let unknown = twisterl_core::error::names::unknown_environment(name, known);
                let registered = twisterl_core::error::registered(known, also);
                (format!("env_cls: {unknown}"), Some(format!("registered: {registered}")))
            }
            error => (error.to_string(), None),
        }
    }

    /// Returns the text beside the marker.
    fn label(&self) -> Option<String> {
        match &self.error {
            twisterl_core::Error::Config { expected, .. }
                if expected.chars().count() <= MAX_TITLE =>
            {
                Some(format!("expected {expected}"))
            }
            _ => None,
        }
    }

    fn render(&self, source: Option<&Source>, renderer: &Renderer) -> String {
        let (title, note) = self.title();
        let title = Level::ERROR.primary_title(escape_controls(&title).into_owned());
        let mut notes: Vec<(Level<'_>, String)> = Vec::new();
        let mut group = match (&self.place, source) {
            (Place::File(range), Some(Source { name, text })) => {
                let marker = AnnotationKind::Primary.span(short(text, range));
                let marker = match self.label() {
                    Some(label) => marker.label(escape_controls(&label).into_owned()),
                    None => marker,
                };
                let snippet = Snippet::source(without_c1(text))
                    .path(escape_controls(name).into_owned())
                    .annotation(marker);
                title.element(snippet)
            }
            (Place::Override(text), _) => {
                notes.push((Level::NOTE, format!("set by the override `{text}`")));
                Group::with_title(title)
            }
            _ => Group::with_title(title),
        };
        notes.extend(note.map(|note| (Level::NOTE, note)));
        notes.extend(self.help.clone().map(|help| (Level::HELP, help)));
        for (level, note) in notes {
            group = group.element(level.message(escape_controls(&note).into_owned()));
        }
        renderer.render(&[group])
    }
}

/// Returns a text of the same length without the control characters U+0080 to U+009F, which the renderer passes on and
/// terminals obey.
fn without_c1(text: &str) -> Cow<'_, str> {
    const C1: std::ops::RangeInclusive<char> = '\u{80}'..='\u{9f}';
    match text.contains(|c| C1.contains(&c)) {
        true => text.replace(|c| C1.contains(&c), "\u{b7}").into(),
        false => text.into(),
    }
}

/// Returns the part of a range that is on its first line, and not too long to show.
fn short(text: &str, range: &Range<usize>) -> Range<usize> {
    let marked = text.get(range.clone()).unwrap_or_default();
    let line = marked.lines().next().unwrap_or_default();
    let end = line.char_indices().nth(MAX_MARKED).map_or(line.len(), |(end, _)| end);
    range.start..range.start + end
}

impl Mistakes {
    /// Returns the mistakes in the order of the file; those that are not in the file come last.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.list.sort_by_key(|mistake| match &mistake.place {
            Place::File(range) => range.start,
            Place::Override(_) | Place::Path => usize::MAX,
        });
        self
    }

    /// Returns the mistakes as text of several lines, which begins with `error: `, with or without colours.
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let mut texts: Vec<String> = self
            .list
            .iter()
            .map(|mistake| mistake.render(self.source.as_ref(), &renderer))
            .collect();
        if let count @ 2.. = self.list.len() {
            let place = self.source.as_ref().map_or("the config", |source| &source.name);
            let place = escape_controls(place);
            let summary = Level::ERROR.primary_title(format!("{count} mistakes in {place}"));
            texts.push(renderer.render(&[Group::with_title(summary)]));
        }
        texts.join("\n\n")
    }
}

impl Display for Mistakes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = self.render(false);
        f.write_str(text.strip_prefix("error: ").unwrap_or(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes() -> Mistakes {
        let text = "{\n  \"seed\": -1,\n  \"sed\": 2\n}\n".to_owned();
        let mistake = |path, expected: &str, found, range, help: Option<&str>| Mistake {
            error: twisterl_core::Error::config(path, expected, found),
            place: Place::File(range),
            help: help.map(str::to_owned),
        };
        let known = "one of the keys ".to_owned() + &"`a`, ".repeat(30);
        Mistakes {
            source: Some(Source { name: "c.json".into(), text }),
            list: vec![
                mistake("seed", "at least 0", "-1", 12..14, Some("write 1")),
                mistake("sed", &known, "unknown key `sed`\x1b[31m", 18..23, None),
            ],
        }
    }

    #[test]
    fn mistakes_are_shown_with_file_line_column_and_marker() {
        let text = mistakes().render(false);
        let expected = "\
error: seed: expected at least 0, found -1
 --> c.json:2:11
  |
2 |   \"seed\": -1,
  |           ^^ expected at least 0
  |
  = help: write 1

error: sed: unknown key `sed`\\u{1b}[31m
 --> c.json:3:3
  |
3 |   \"sed\": 2
  |   ^^^^^
  |
  = note: expected one of the keys `a`, `a`,";
        assert_eq!(text.get(..expected.len()), Some(expected), "{text}");
        assert!(text.ends_with("\n\nerror: 2 mistakes in c.json"), "{text}");
        assert!(mistakes().to_string().starts_with("seed: expected at least 0"));
    }

    #[test]
    fn colours_are_only_there_if_asked_for() {
        assert!(mistakes().render(true).contains("\x1b[1m"));
        assert!(!mistakes().render(false).contains('\x1b'));
    }

    #[test]
    fn a_value_from_outside_is_named_in_place_of_a_line() {
        let mistake = Mistake {
            error: twisterl_core::Error::config("seed", "at least 0", "-1"),
            place: Place::Override("seed=-1".into()),
            help: None,
        };
        let text = Mistakes { source: None, list: vec![mistake] }.render(false);
        let expected = "error: seed: expected at least 0, found -1\n |\n = note: set by the override `seed=-1`";
        assert_eq!(text, expected);
    }
}
