//! Odd cases of reading and checking; the everyday ones are shown by the ui tests.

use quote::ToTokens;
use syn::{DeriveInput, parse_quote};

use crate::diagnostics::Diagnostics;
use crate::message::model::{Body, Kind, Message};
use crate::message::parse;

/// The model, and every message in order.
fn read(input: DeriveInput) -> (Option<Message>, Vec<String>) {
    let mut errors = Diagnostics::new();
    let parsed = parse::parse(input, &mut errors);
    if let Some(parsed) = &parsed {
        super::check(&parsed.message, parsed.layout_known, &mut errors);
    }
    let messages = match errors.finish() {
        Ok(()) => Vec::new(),
        Err(tokens) => syn::parse2::<syn::File>(tokens).unwrap().items.iter().map(message_of).collect(),
    };
    (parsed.map(|parsed| parsed.message), messages)
}

fn message_of(item: &syn::Item) -> String {
    let syn::Item::Macro(item) = item else { panic!("not a compile_error: {}", item.to_token_stream()) };
    item.mac.parse_body::<syn::LitStr>().unwrap().value()
}

#[track_caller]
fn accept(input: DeriveInput) -> Message {
    let (message, errors) = read(input);
    assert_eq!(errors, Vec::<String>::new());
    message.unwrap()
}

/// As many errors as needles, each holding its needle.
#[track_caller]
fn refuse(input: DeriveInput, needles: &[&str]) {
    let (_, errors) = read(input);
    assert_eq!(errors.len(), needles.len(), "{errors:#?}");
    for (error, needle) in errors.iter().zip(needles) {
        assert!(error.contains(needle), "{needle:?} is not in {error:?}");
    }
}

fn structure(message: &Message) -> &crate::message::model::Struct {
    match &message.body {
        Body::Struct(body) => body,
        _ => panic!("not a struct"),
    }
}

#[test]
fn the_messages_of_the_guide_are_accepted() {
    accept(parse_quote! {
        #[wire(version = 1, size = 32)]
        #[wire(tolerate(string_order, slack))]
        pub struct Cgroup {
            #[wire(at = 4)] pub hash: u32,
            #[wire(at = 8)] pub options: u32,
            #[wire(at = 12)] pub enabled: u32,
            #[wire(at = 16, nul)] pub name: Vec<u8>,
            #[wire(at = 24, nul)] pub path: Vec<u8>,
        }
    });
    accept(parse_quote! {
        #[wire(version = 1, size = 24, reserved(at = 12, len = 4), tolerate(trailing, item_order, item_overlap))]
        pub struct Snapshot {
            #[wire(at = 8)] pub systemd_enabled: u32,
            #[wire(at = 16)] pub generation: u64,
            #[wire(directory, count_at = 4, count = u32)] pub items: Vec<Cgroup>,
        }
    });
    let info = accept(parse_quote! {
        #[wire(size = 28, fixed(at = 0, u16 = 1), reserved(at = 6, len = 2), reserved(at = 26, len = 2))]
        #[wire(tolerate(string_order, dirty_gaps))]
        #[wire(require(status == CgroupStatus::Known
            || (orchestrator == Orchestrator::Unknown && name.is_empty() && labels.is_empty())))]
        pub struct CgroupInfo {
            #[wire(at = 2)] pub status: CgroupStatus,
            #[wire(at = 4)] pub orchestrator: Orchestrator,
            #[wire(at = 8, min = 1)] pub path: CString,
            #[wire(at = 16)] pub name: CString,
            #[wire(table, count_at = 24, count = u16)] pub labels: Vec<Label>,
        }
    });
    let require = &structure(&info).require[0];
    assert_eq!(require.names, ["status", "orchestrator", "name", "labels"]);
    let text = "status == CgroupStatus::Known || (orchestrator == Orchestrator::Unknown && name.is_empty() \
                && labels.is_empty())";
    assert_eq!(require.text, text);
}

#[test]
fn the_library_is_found_where_the_user_says() {
    let path = |input| accept(input).krate.to_token_stream().to_string().replace(' ', "");
    assert_eq!(path(parse_quote! { struct M; }), "::netipc");
    assert_eq!(path(parse_quote! { #[wire(crate = crate::ipc)] struct M; }), "crate::ipc");
    assert_eq!(path(parse_quote! { #[wire(crate = ::other, open)] #[repr(u8)] enum M { Other(u8) } }), "::other");
}

#[test]
fn natural_layouts_need_no_attribute() {
    let message = accept(parse_quote! {
        struct Reading {
            sensor: String,
            celsius: f64,
            raw: [u16; N],
            tags: Vec<String>,
            last: Option<Position>,
            blob: Vec<u8>,
        }
    });
    assert!(!structure(&message).placed);
    accept(parse_quote! { struct Nothing; });
    accept(parse_quote! { struct Nothing {} });
}

#[test]
fn a_refused_type_is_one_mistake() {
    refuse(
        parse_quote! {
            #[wire(size = 16)]
            struct M { #[wire(at = 0, min = 1, nul)] x: usize, #[wire(at = 8)] y: u64 }
        },
        &["u32 or u64"],
    );
}

#[test]
fn a_misspelt_place_does_not_echo_as_a_gap() {
    refuse(
        parse_quote! {
            #[wire(size = 8)]
            struct M { #[wire(at = four)] x: u32, #[wire(at = 4)] y: u32 }
        },
        &["write `at = 4`"],
    );
}

#[test]
fn a_displaced_field_explains_the_hole_it_leaves() {
    refuse(
        parse_quote! {
            #[wire(size = 16)]
            struct M { #[wire(at = 0)] a: u32, #[wire(at = 2)] b: u32, #[wire(at = 8)] c: u64 }
        },
        &["`b` is misaligned: it goes at a multiple of 4, such as 0 or 4"],
    );
    refuse(
        parse_quote! {
            #[wire(size = 16)]
            struct M { #[wire(at = 0)] a: u32, #[wire(at = 0)] b: u32, #[wire(at = 8)] c: u64 }
        },
        &["`b` (bytes 0..4) overlaps `a` (bytes 0..4)"],
    );
}

#[test]
fn independent_mistakes_are_all_reported() {
    refuse(
        parse_quote! {
            #[wire(size = 40, colour)]
            struct M<'a> { #[wire(at = 0)] a: &'a str, #[wire(at = 8)] b: usize, #[wire(at = 16)] finish: u64 }
        },
        &[
            "generics",
            "unknown attribute `colour`",
            "use String",
            "u32 or u64",
            "conflicts with generated `MBuilder::finish`",
        ],
    );
}

#[test]
fn a_named_type_reaches_to_the_next_thing() {
    accept(parse_quote! {
        #[wire(size = 16)]
        struct M { #[wire(at = 0)] head: Header, #[wire(at = 12)] tail: Tail }
    });
    refuse(
        parse_quote! {
            #[wire(size = 8)]
            struct M { #[wire(at = 0)] head: u64, #[wire(at = 8)] tail: Tail }
        },
        &["`size = 8` is too small: `tail` begins at byte 8"],
    );
    refuse(
        parse_quote! {
            #[wire(size = 8)]
            struct M { #[wire(at = 0)] head: Header, #[wire(at = 0)] tail: u64 }
        },
        &["overlaps"],
    );
}

#[test]
fn offsets_that_would_overflow_are_numbers_too_large() {
    refuse(
        parse_quote! { #[wire(size = 8)] struct M { #[wire(at = 18446744073709551615)] x: u32 } },
        &["4294967295 is the largest"],
    );
    refuse(
        parse_quote! {
            #[wire(size = 8)]
            struct M { #[wire(at = 0)] x: [u64; 18446744073709551615] }
        },
        &["`size = 8` is too small"],
    );
}

#[test]
fn raw_names_clash_like_any_other() {
    refuse(parse_quote! { struct M { r#clone: u32, a: u8, r#a: u8 } }, &["MView::clone", "`a` already"]);
}

#[test]
fn recursion_is_found_through_options_lists_and_tuples() {
    refuse(parse_quote! { struct M { next: Option<M>, all: Vec<self::M>, pair: (u8, Self) } }, &["itself"; 3]);
    accept(parse_quote! { struct M { other: other::M } });
}

#[test]
fn bounds_take_the_type_of_the_field() {
    let message = accept(parse_quote! { struct M { #[wire(min = -1, max = 2u8)] x: f64, #[wire(min = -3)] y: i8 } });
    let field = &structure(&message).fields[0];
    let shown = |expr: &Option<syn::Expr>| expr.to_token_stream().to_string().replace(' ', "");
    assert_eq!((shown(&field.min), shown(&field.max)), ("-1.0".to_owned(), "2.0".to_owned()));
    refuse(parse_quote! { struct M { #[wire(max = 256)] x: u8, #[wire(min = 0.5)] y: u8 } }, &["no u8"; 2]);
    refuse(parse_quote! { struct M { #[wire(min = 2, max = 1)] x: u8 } }, &["`min` is above `max`"]);
    refuse(parse_quote! { struct M { #[wire(min = 1)] x: bool, #[wire(max = 1)] y: Inner } }, &["bool", "neither"]);
}

#[test]
fn conditions_may_bind_names_and_use_macros() {
    let message = accept(parse_quote! {
        #[wire(require(matches!(state, State::A) && tags.iter().all(|tag| tag.len() < LIMIT) && is_sane(count)))]
        struct M { count: u8, tags: Vec<String>, state: State }
    });
    assert_eq!(structure(&message).require[0].names, ["count", "tags", "state"]);
    refuse(
        parse_quote! { #[wire(require(1 < 2), require(self.a > 0), require(b > a))] struct M { a: u8 } },
        &["names no field", "names no field", "no field `b`"],
    );
}

#[test]
fn discriminants_count_on_from_the_last() {
    let message = accept(parse_quote! { #[repr(i8)] enum E { A = -2, B, C = 0x10, D } });
    let Body::Code(code) = &message.body else { panic!("not a code") };
    let values: Vec<_> = code.variants.iter().map(|variant| variant.value).collect();
    assert_eq!(values, [-2, -1, 16, 17]);
    refuse(parse_quote! { #[repr(u8)] enum E { A = 255, B } }, &["256 does not fit `repr(u8)`"]);
    refuse(parse_quote! { #[repr(u8)] enum E { A = BASE, B, C } }, &["as a literal"]);
}

#[test]
fn an_open_enum_keeps_other_apart() {
    let message = accept(parse_quote! { #[repr(u16)] #[wire(open)] enum E { A = 3, Other(u16) } });
    let Body::Code(code) = &message.body else { panic!("not a code") };
    assert_eq!(code.open.as_ref().unwrap(), "Other");
    assert_eq!(code.variants.len(), 1);
    let message = accept(parse_quote! { #[repr(u16)] enum E { A, Other(u16) } });
    assert!(matches!(message.body, Body::Union(_)));
}

#[test]
fn enums_with_data_name_the_fields_of_tuples() {
    let message = accept(parse_quote! { #[repr(C, u8)] enum E { A, B(u8, String), C { x: u32 } } });
    let Body::Union(union) = &message.body else { panic!("not a union") };
    let names: Vec<_> = union.variants.iter().flat_map(|variant| &variant.fields).map(|field| &field.ident).collect();
    assert_eq!(names, ["field_0", "field_1", "x"]);
}

#[test]
fn marked_lists_become_tables_and_directories() {
    let message = accept(parse_quote! {
        #[wire(version = 1, size = 16, reserved(at = 8, len = 8))]
        struct Keys { #[wire(directory, count_at = 4, count = u32, each(min = 1))] paths: Vec<CString> }
    });
    let kind = &structure(&message).fields[0].kind;
    assert!(matches!(kind, Kind::Directory { count_at: 4, each_min: Some(1), each_max: None, .. }));
}
