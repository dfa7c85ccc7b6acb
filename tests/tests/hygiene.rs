//! Generated code among strangers: that `netipc_tests::hygiene` compiles is most of the proof; here its messages work.
#![forbid(unsafe_code)]
#![deny(warnings, unused, missing_docs)]

use std::fmt::Debug;

use netipc::WireMessage;
use netipc_tests::hygiene::{lints, names, no_prelude, renamed, shadowed};

/// Encodes, decodes, owns.
fn goes_round<M: WireMessage + PartialEq + Debug>(value: &M) {
    let bytes = value.to_vec().expect("within bounds");
    assert_eq!(bytes.len(), value.encoded_len());
    assert_eq!(M::decode_owned(&bytes).as_ref(), Ok(value));
    assert!(!format!("{:?}", M::decode(&bytes)).is_empty());
}

#[test]
fn messages_work_where_every_lint_is_an_error() {
    goes_round(&lints::Natural::new(true));
    let row = lints::Row { key: c"k".into(), value: vec![0] };
    goes_round(&lints::Choice::Names { first: "f".into(), rest: vec![row.clone()] });
    let item = lints::ByHand { name: c"n".into(), path: vec![1], rows: vec![row] };
    goes_round(&lints::Filed { items: vec![item] });
    assert!(lints::internal());
}

#[test]
fn messages_work_without_a_prelude() {
    let row = no_prelude::Row { key: c"k".into(), value: vec![] };
    let choice = no_prelude::Choice::Named { a: Some(c"a".into()), b: vec![row.clone()] };
    goes_round(&no_prelude::Natural {
        number: 1,
        open: no_prelude::Open::A,
        choice,
        rows: vec![row],
        numbers: Some(vec![1]),
        texts: vec!["t".into()],
        array: [0.0, 1.0],
    });
    let items = vec![no_prelude::Item { text: b"x".to_vec() }];
    goes_round(&no_prelude::Overlapping { number: 1, items });
}

#[test]
fn messages_work_with_the_library_under_another_name() {
    goes_round(&renamed::Message { number: 4, codes: vec![1, 2], choice: renamed::Choice::A("a".into()) });
    goes_round(&renamed::Code::A);
}

#[test]
fn messages_work_where_names_of_the_prelude_mean_something_else() {
    use shadowed::{messages, themselves};
    goes_round(&messages::Message {
        number: 4,
        code: messages::Code::None,
        choices: vec![messages::Choice::Ok(1), messages::Choice::None, messages::Choice::Some(messages::Code::Err)],
        text: Some("t".into()),
    });
    goes_round(&themselves::String {
        text: "t".into(),
        vec: themselves::Vec { number: 1, bytes: vec![2], list: vec![3] },
    });
    let result = themselves::Result { a: 1 };
    goes_round(&themselves::Option { results: vec![result.clone()], maybe: Some(result) });
}

#[test]
fn keywords_can_be_names() {
    let value = names::Raw {
        r#type: 1,
        r#match: 2,
        r#fn: "f".into(),
        r#struct: vec![1],
        r#async: Some("a".into()),
        r#loop: vec![names::r#enum::r#while { r#in: "i".into(), r#ref: 1 }, names::r#enum::r#true],
    };
    goes_round(&value);
    let bytes = value.to_vec().expect("within bounds");
    let view = names::Raw::decode(&bytes).expect("what was encoded");
    assert_eq!((view.r#type(), view.r#fn(), view.r#async()), (1, "f", Some("a")));
    // On the wire, and in errors, a name is what it says.
    let layout = names::Raw::LAYOUT.to_string();
    assert!(layout.contains("  type  ") && layout.contains("  async  ") && !layout.contains("  r#"), "{layout}");
    let mut buffer = [0; 64];
    let mut builder = names::Raw::builder(&mut buffer);
    builder.r#type(9).r#match(1);
    let error = builder.finish().expect_err("type is above match");
    assert!(error.to_string().contains("type"), "{error}");
    goes_round(&names::r#struct { r#impl: "x".into() });
    goes_round(&names::r#const::r#mut);
}

#[test]
fn conditions_see_fields_of_any_name() {
    goes_round(&names::Conditions { fixed: 1, value: 2, f: 3, view: 4, __value: 1 });
    let broken = names::Conditions { fixed: 3, value: 2, f: 3, view: 4, __value: 1 };
    assert!(broken.to_vec().is_err());
    let broken = names::Conditions { fixed: 1, value: 2, f: 3, view: 4, __value: 0 };
    assert!(broken.to_vec().is_err());
    goes_round(&names::Variants::View { fields: 1, variants: 2, place: "p".into() });
    goes_round(&names::Variants::Some(1, "s".into()));
    goes_round(&names::Variants::None);
}

#[test]
fn fields_come_and_go_with_the_configuration() {
    goes_round(&names::Configured { here: 1, text: "abc".into() });
    assert!(names::Configured { here: 1, text: "abcd".into() }.to_vec().is_err());
    goes_round(&names::Either { both: 7 });
    goes_round(&names::ConfiguredChoice::Both { here: "h".into() });
}

#[test]
fn other_derives_do_not_mind() {
    goes_round(&names::Others::default());
    goes_round(&names::SensorError::Busy);
    let error = names::ReadError::Sensor { name: "roof".into(), source: names::SensorError::Unknown };
    goes_round(&error);
    assert_eq!(error.to_string(), "sensor roof: no such sensor");
}

#[test]
fn a_message_can_be_declared_inside_a_function() {
    use netipc::WireMessage;

    #[derive(Debug, Clone, Copy, PartialEq, WireMessage)]
    #[repr(u8)]
    enum Code {
        One = 1,
    }

    #[derive(Debug, Clone, PartialEq, WireMessage)]
    #[repr(u8)]
    enum Choice {
        Text(String) = 1,
        Code(Code) = 2,
    }

    #[derive(Debug, Clone, PartialEq, WireMessage)]
    #[wire(require(number < 9 && code == Code::One))]
    struct Local {
        number: u8,
        code: Code,
        choices: Vec<Choice>,
    }

    let choices = vec![Choice::Text("t".into()), Choice::Code(Code::One)];
    goes_round(&Local { number: 1, code: Code::One, choices });
}

mod documented {
    //! What is said of a field is said of its getter, and of a message, of its view.

    /// Source text of a message whose documentation the compiler must find everywhere: `missing_docs` is an error here.
    #[derive(Debug, netipc::WireMessage)]
    pub struct Said {
        #[doc = "Said with an attribute."]
        pub number: u8,
    }
}

#[test]
fn a_private_module_keeps_its_messages() {
    let mut buffer = [0; 1];
    let mut builder = documented::Said::builder(&mut buffer);
    builder.number(3);
    assert_eq!(builder.finish(), Ok(1));
    assert_eq!(documented::Said::decode(&buffer).map(|view| view.number()), Ok(3));
}
