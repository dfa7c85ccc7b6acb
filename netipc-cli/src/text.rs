//! What people read: tables, and texts of peers that a terminal shall not obey.
//!
//! Owns: columns and their widths. It refuses to know what is in them.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

/// Headings.
pub(crate) const BOLD: Style = Style::new().bold();
/// What is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What needs a look.
pub(crate) const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
/// What is not well.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// What is told beside.
pub(crate) const DIM: Style = Style::new().dimmed();

/// Bytes of a peer as text: what is no UTF-8 is replaced, and what a terminal would obey is escaped.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for letter in String::from_utf8_lossy(bytes).chars() {
        match letter {
            // Escaped in source code, and harmless.
            '\'' | '"' | '\\' => text.push(letter),
            _ => text.extend(letter.escape_debug()),
        }
    }
    text
}

/// JSON of a peer's texts, which itself escapes nothing above a space: a terminal would obey some of that, and what is
/// written elsewhere is rid of it. It stands in strings alone, where an escape means the same.
pub(crate) fn printable_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter != '\x7f' && (letter.is_ascii() || letter.escape_debug().eq([letter])) {
            text.push(letter);
        } else {
            text.extend(letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

/// One cell of a table.
#[derive(Debug)]
pub(crate) struct Cell {
    text: Cow<'static, str>,
    style: Style,
    is_number: bool,
}

impl Cell {
    /// Text that is known to be harmless.
    pub(crate) fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), style: Style::new(), is_number: false }
    }

    /// Text of a peer.
    pub(crate) fn foreign(bytes: &[u8]) -> Self {
        Self::text(printable(bytes))
    }

    /// A number, which stands at the right.
    pub(crate) fn number(number: impl ToString) -> Self {
        Self { is_number: true, ..Self::text(number.to_string()) }
    }

    /// A number that may not be known.
    pub(crate) fn number_or_dash(number: Option<impl ToString>) -> Self {
        number.map_or_else(|| Self { is_number: true, ..Self::text("-") }, Self::number)
    }

    /// The same in this style.
    pub(crate) fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }
}

/// Prints rows below their titles, each column as wide as its widest cell.
pub(crate) fn table(out: &mut impl Write, titles: &[&'static str], rows: &[Vec<Cell>]) -> io::Result<()> {
    let mut widths: Vec<usize> = titles.iter().map(|title| title.width()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.text.width());
        }
    }
    // Titles stand where what is below them stands.
    let are_numbers = |column: usize| rows.first().and_then(|row| row.get(column)).is_some_and(|cell| cell.is_number);
    let titles = titles.iter().enumerate().map(|(column, title)| Cell {
        text: Cow::Borrowed(*title),
        style: BOLD,
        is_number: are_numbers(column),
    });
    line(out, &titles.collect::<Vec<_>>(), &widths)?;
    rows.iter().try_for_each(|row| line(out, row, &widths))
}

fn line(out: &mut impl Write, cells: &[Cell], widths: &[usize]) -> io::Result<()> {
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let Cell { text, style, is_number } = cell;
        let space = " ".repeat(width.saturating_sub(text.width()));
        let gap = if column == 0 { "" } else { "  " };
        let (before, behind) = if *is_number { (&*space, "") } else { ("", &*space) };
        // Nothing stands behind the last cell.
        let behind = if column + 1 == cells.len() { "" } else { behind };
        write!(out, "{gap}{before}{style}{text}{style:#}{behind}")?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(titles: &[&'static str], rows: &[Vec<Cell>]) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        table(&mut out, titles, rows).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn numbers_stand_right_and_words_left_below_their_titles() {
        let rows = vec![
            vec![Cell::text("one"), Cell::number(1), Cell::text("x").styled(BAD)],
            vec![Cell::text("a"), Cell::number_or_dash(Some(12_345)), Cell::text("yy")],
            vec![Cell::text("日本"), Cell::number_or_dash(None::<u8>), Cell::text("")],
        ];
        assert_eq!(
            plain(&["NAME", "N", "END"], &rows),
            "NAME      N  END\none       1  x\na     12345  yy\n日本      -  \n"
        );
        assert_eq!(plain(&["NAME", "N"], &[]), "NAME  N\n");
    }

    #[test]
    fn no_text_of_a_peer_moves_the_cursor() {
        assert_eq!(printable(b"a\\b'c\"d"), "a\\b'c\"d");
        assert_eq!(printable("naïve 日本".as_bytes()), "naïve 日本");
        assert_eq!(printable(b"\x1b[2J\r\n\t\0\x7f"), "\\u{1b}[2J\\r\\n\\t\\0\\u{7f}");
        assert_eq!(printable("\u{9b}\u{202e}x".as_bytes()), "\\u{9b}\\u{202e}x");
        assert_eq!(printable(b"\xff"), "\u{fffd}");
    }
}
