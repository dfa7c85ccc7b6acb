//! Templates: text with places to fill, and the check that a filled text is one of a template's.
//!
//! Owns: what a place looks like (`{{name}}`), and that none goes unfilled and no value unused.

use std::collections::{BTreeMap, BTreeSet};

/// What goes where.
pub type Values = BTreeMap<String, String>;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// Why a template can't be filled.
#[derive(Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// Nothing is known of a place.
    Unknown(String),
    /// A value has no place.
    Unused(String),
    /// A place that begins in this line does not end there.
    Unclosed(String),
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "the template asks for {name}, of which nothing is known"),
            Self::Unused(name) => write!(f, "the template has no place for {name}"),
            Self::Unclosed(line) => write!(f, "a place without an end: {line}"),
        }
    }
}

impl std::error::Error for TemplateError {}

/// What a line of a template is made of, in turn.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Place(&'a str),
}

/// The parts of a line, none of them empty.
fn parts(line: &str) -> Result<Vec<Part<'_>>, TemplateError> {
    let (mut parts, mut rest) = (Vec::new(), line);
    while let Some((before, behind)) = rest.split_once(OPEN) {
        let Some((name, behind)) = behind.split_once(CLOSE) else {
            return Err(TemplateError::Unclosed(line.to_owned()));
        };
        parts.extend([Part::Text(before), Part::Place(name)]);
        rest = behind;
    }
    parts.push(Part::Text(rest));
    parts.retain(|part| *part != Part::Text(""));
    Ok(parts)
}

/// The template with all places filled. A place that has its line to itself takes that line along when its value is empty,
/// and the empty line behind it.
///
/// # Errors
/// A place without a value, or a value without a place.
pub fn fill(template: &str, values: &Values) -> Result<String, TemplateError> {
    let mut used = BTreeSet::new();
    let mut filled = String::new();
    let mut is_left_out = false;
    for line in template.lines() {
        if std::mem::take(&mut is_left_out) && line.is_empty() {
            continue;
        }
        let parts = parts(line)?;
        let mut text = String::new();
        for part in &parts {
            match part {
                Part::Text(part) => text += part,
                Part::Place(name) => {
                    let value = values.get(*name).ok_or_else(|| TemplateError::Unknown((*name).to_owned()))?;
                    used.insert(*name);
                    text += value.trim_end();
                }
            }
        }
        is_left_out = text.is_empty() && !parts.is_empty();
        if !is_left_out {
            filled += &text;
            filled.push('\n');
        }
    }
    match values.keys().find(|name| !used.contains(name.as_str())) {
        Some(unused) => Err(TemplateError::Unused(unused.clone())),
        None => Ok(filled),
    }
}

/// The first line of `text` that the template does not give, whatever is filled in, or that it misses: where a place has its
/// line to itself there may be tables, their titles, and whatever `also` allows of a place and a line.
///
/// # Errors
/// The template is none.
pub fn stranger(
    template: &str,
    text: &str,
    also: impl Fn(&str, &str) -> bool,
) -> Result<Option<String>, TemplateError> {
    let mut lines = text.lines().filter(|line| !is_table(line)).peekable();
    let mut blocks = Vec::new();
    for given in template.lines().filter(|line| !is_table(line)) {
        let parts = parts(given)?;
        if let [Part::Place(name)] = parts[..] {
            blocks.push(name);
            continue;
        }
        while lines.next_if(|line| !matches(&parts, line) && blocks.iter().any(|name| also(name, line))).is_some() {}
        blocks.clear();
        match lines.next() {
            Some(line) if matches(&parts, line) => {}
            Some(line) => return Ok(Some(line.to_owned())),
            None => return Ok(Some(format!("missing: {given}"))),
        }
    }
    Ok(lines.find(|line| !blocks.iter().any(|name| also(name, line))).map(str::to_owned))
}

fn is_table(line: &str) -> bool {
    line.is_empty() || line.starts_with('|') || line.starts_with("**")
}

/// Whether the line is one of these parts, with anything in their places.
fn matches(parts: &[Part<'_>], line: &str) -> bool {
    let mut rest = line;
    let mut is_open = false;
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Place(_) => is_open = true,
            Part::Text(text) => {
                let is_last = index + 1 == parts.len();
                let found = if !is_open {
                    rest.strip_prefix(text)
                } else if is_last {
                    rest.strip_suffix(text).map(|_| "")
                } else {
                    rest.split_once(text).map(|(_, behind)| behind)
                };
                let Some(behind) = found else { return false };
                (rest, is_open) = (behind, false);
            }
        }
    }
    is_open || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    const TEMPLATE: &str = "# Title\n\nrun {{rounds}} rounds of {{slice}} s\n\n{{table}}\n\n## Next\n\nend\n";

    #[test]
    fn places_are_filled_and_an_empty_value_takes_its_line_along() {
        let given = values(&[("rounds", "5"), ("slice", "0.25"), ("table", "| a |\n| b |\n")]);
        let filled = fill(TEMPLATE, &given).unwrap();
        assert_eq!(filled, "# Title\n\nrun 5 rounds of 0.25 s\n\n| a |\n| b |\n\n## Next\n\nend\n");
        let filled = fill(TEMPLATE, &values(&[("rounds", "5"), ("slice", "1"), ("table", "")])).unwrap();
        assert_eq!(filled, "# Title\n\nrun 5 rounds of 1 s\n\n## Next\n\nend\n");
    }

    #[test]
    fn a_place_without_a_value_and_a_value_without_a_place_are_refused() {
        let missing = fill(TEMPLATE, &values(&[("rounds", "5"), ("table", "")]));
        assert_eq!(missing, Err(TemplateError::Unknown("slice".to_owned())));
        let unused = fill("{{a}}\n", &values(&[("a", "1"), ("b", "2")]));
        assert_eq!(unused, Err(TemplateError::Unused("b".to_owned())));
        assert_eq!(fill("{{a\n", &values(&[])), Err(TemplateError::Unclosed("{{a".to_owned())));
    }

    #[test]
    fn what_was_filled_is_no_stranger_and_each_line_that_was_changed_is() {
        for table in ["| a |\n| b |\n", "", "**t**, 5 rounds\n\n| a |\n\n**u**\n\n| b |\n"] {
            let filled = fill(TEMPLATE, &values(&[("rounds", "5"), ("slice", "0.25"), ("table", table)])).unwrap();
            assert_eq!(stranger(TEMPLATE, &filled, |_, _| false), Ok(None), "{filled}");
            for (index, line) in filled.lines().enumerate() {
                if is_table(line) {
                    continue;
                }
                let changed =
                    |(at, line): (usize, &str)| if at == index { format!("x{line}\n") } else { format!("{line}\n") };
                let changed: String = filled.lines().enumerate().map(changed).collect();
                assert!(stranger(TEMPLATE, &changed, |_, _| false).unwrap().is_some(), "{changed}");
            }
            let longer = format!("{filled}more\n");
            assert_eq!(stranger(TEMPLATE, &longer, |_, _| false), Ok(Some("more".to_owned())));
        }
    }

    #[test]
    fn prose_where_a_table_belongs_is_a_stranger_unless_it_is_allowed() {
        let text = "# Title\n\nrun 5 rounds of 1 s\n\nprose\n\n## Next\n\nend\n";
        assert_eq!(stranger(TEMPLATE, text, |_, _| false), Ok(Some("prose".to_owned())));
        assert_eq!(stranger(TEMPLATE, text, |name, line| (name, line) == ("table", "prose")), Ok(None));
    }
}
