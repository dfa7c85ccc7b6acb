//! `netipc decode`: what bytes say.
//!
//! Owns: where bytes come from, and whether they are a packet or a payload. [`envelope`] has the former, [`payload`] the latter.

mod envelope;
mod payload;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};

pub(crate) use payload::Form;

use crate::args::Decode;
use crate::failure::{Code, Failure};
use crate::text::printable;

/// The most bytes that are read: the largest answer that calls take (64 MiB), as digits with a space between every two.
const MOST: u64 = 3 * (64 << 20);

/// What a message is printed as.
#[derive(Debug, Clone, Copy)]
struct Wishes {
    form: Option<Form>,
    has_layout: bool,
}

pub(crate) fn decode(args: &Decode, out: &mut impl Write) -> Result<(), Failure> {
    let bytes = read(&args.source)?;
    let wishes = Wishes { form: args.form, has_layout: args.layout };
    let is_packet = envelope::begins(&bytes);
    match (is_packet, args.form, args.json) {
        (true, _, true) => crate::json(out, &envelope::json(&bytes, wishes)?),
        (true, _, false) => envelope::show(&bytes, wishes, out),
        (false, Some(form), true) => crate::json(out, &form.json(&bytes)?),
        (false, Some(form), false) => form.show(&bytes, wishes.has_layout, out),
        (false, None, _) => Err(Failure::new(
            Code::Usage,
            format!("{} bytes that begin like no packet: say with --as which payload they are", bytes.len()),
        )),
    }
}

fn read(source: &OsStr) -> Result<Vec<u8>, Failure> {
    if source == "-" {
        let bytes = whole(io::stdin().lock())?;
        // Digits from a pipe are as welcome as the bytes themselves.
        return Ok(str::from_utf8(&bytes).ok().and_then(from_hex).unwrap_or(bytes));
    }
    if let Some(bytes) = source.to_str().and_then(from_hex) {
        return Ok(bytes);
    }
    File::open(source).and_then(whole).map_err(|error| {
        let code = if error.kind() == io::ErrorKind::PermissionDenied { Code::Denied } else { Code::Usage };
        let failure = Failure::new(code, format!("neither hexadecimal digits nor a file that can be read: {error}"));
        failure.at(printable(source.as_encoded_bytes()))
    })
}

/// All that there is, unless that has no end.
fn whole(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too long for a message"));
    }
    Ok(bytes)
}

/// The bytes that hexadecimal digits stand for, white space between them left out; `None` for anything else.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| letter.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::from_hex;

    #[test]
    fn digits_are_bytes_and_anything_else_is_not() {
        assert_eq!(from_hex("00 fF\n10\t"), Some(vec![0, 255, 16]));
        assert_eq!(from_hex(" \n"), Some(vec![]));
        for other in ["0", "0g", "0x00", "./00", "é0", "000"] {
            assert_eq!(from_hex(other), None, "{other}");
        }
    }
}
