//! What each getter must say of a value that was encoded.

use std::fmt::Debug;

use netipc::WireMessage;
use netipc::codec::List;
use netipc_tests::natural::*;

/// A message whose views can be compared with its values.
pub trait Same: WireMessage {
    /// Every getter says what `value` holds.
    ///
    /// # Panics
    /// Where one does not.
    fn same(view: Self::View<'_>, value: &Self);
}

/// Floats by their bits: a NaN is not equal to itself.
fn same_bits(view: f64, value: f64) {
    assert_eq!(view.to_bits(), value.to_bits());
}

fn each<V: ExactSizeIterator, T>(views: V, values: &[T], same: impl Fn(V::Item, &T)) {
    assert_eq!(views.len(), values.len());
    views.zip(values).for_each(|(view, value)| same(view, value));
}

/// From the front, from the back, and by number.
macro_rules! same_list {
    ($list:expr, $values:expr, $same:expr) => {{
        let (list, values) = ($list, $values);
        let same = $same;
        assert_eq!((list.len(), list.is_empty()), (values.len(), values.is_empty()));
        each(list, values, same);
        let backwards: Vec<_> = values.iter().rev().cloned().collect();
        assert_eq!(list.rev().count(), backwards.len());
        list.rev().zip(&backwards).for_each(|(view, value)| same(view, value));
        values.iter().enumerate().for_each(|(index, value)| same(list.get(index).expect("an element"), value));
        assert!(list.get(values.len()).is_none());
    }};
}

fn option<V, T>(view: Option<V>, value: Option<&T>, same: impl Fn(V, &T)) {
    assert_eq!(view.is_some(), value.is_some());
    if let (Some(view), Some(value)) = (view, value) {
        same(view, value);
    }
}

/// A list of what is its own view.
fn plain<'a, E, T: Debug + Copy + PartialEq>(list: List<'a, E>, values: &[T])
where
    List<'a, E>: ExactSizeIterator<Item = T>,
{
    assert!(list.eq(values.iter().copied()));
}

impl Same for Empty {
    fn same(view: EmptyView<'_>, value: &Self) {
        assert_eq!(view.to_owned(), *value);
    }
}

impl Same for Scalars {
    fn same(view: ScalarsView<'_>, value: &Self) {
        assert_eq!((view.a(), view.b(), view.c(), view.d(), view.e()), (value.a, value.b, value.c, value.d, value.e));
        assert_eq!((view.f(), view.g(), view.h(), view.i(), view.j()), (value.f, value.g, value.h, value.i, value.j));
        assert_eq!(view.k().to_bits(), value.k.to_bits());
        same_bits(view.l(), value.l);
        assert_eq!((view.m(), view.n(), view.o()), (value.m, value.n, value.o));
        view.p().into_iter().zip(value.p).for_each(|(view, value)| same_bits(view, value));
    }
}

impl Same for Codes {
    fn same(view: CodesView<'_>, value: &Self) {
        assert_eq!((view.colour(), view.shape()), (value.colour, value.shape));
        assert_eq!((view.level(), view.wide()), (value.level, value.wide));
    }
}

impl Same for Point {
    fn same(view: PointView<'_>, value: &Self) {
        assert_eq!(view.x(), value.x);
        same_bits(view.y(), value.y);
    }
}

impl Same for Label {
    fn same(view: LabelView<'_>, value: &Self) {
        assert_eq!((view.key(), view.value(), view.weight()), (&*value.key, &*value.value, value.weight));
    }
}

impl Same for Texts {
    fn same(view: TextsView<'_>, value: &Self) {
        assert_eq!((view.utf8(), view.more()), (&*value.utf8, &*value.more));
        assert_eq!((view.c(), view.raw(), view.nul().as_bytes()), (&*value.c, &*value.raw, &*value.nul));
    }
}

impl Same for Names {
    fn same(view: NamesView<'_>, value: &Self) {
        same_list!(view.names(), &value.names, |view: &str, value: &String| assert_eq!(view, value));
        same_list!(view.keys(), &value.keys, |view: &std::ffi::CStr, value: &std::ffi::CString| assert_eq!(
            view,
            &**value
        ));
    }
}

impl Same for Group {
    fn same(view: GroupView<'_>, value: &Self) {
        assert_eq!((view.title(), view.last()), (&*value.title, &*value.last));
        same_list!(view.members(), &value.members, Names::same);
        plain(view.sizes(), &value.sizes);
    }
}

impl Same for Event {
    fn same(view: EventView<'_>, value: &Self) {
        match (view, value) {
            (EventView::Nothing, Self::Nothing) => {}
            (EventView::Moved { to, by }, Self::Moved { to: value, by: name }) => {
                Point::same(to, value);
                assert_eq!(by, name);
            }
            (EventView::Said(text, labels), Self::Said(value, all)) => {
                assert_eq!(text, value);
                same_list!(labels, all, Label::same);
            }
            (EventView::Count(count), Self::Count(value)) => assert_eq!(count, *value),
            (EventView::Raw(raw), Self::Raw(value)) => assert_eq!(raw.as_bytes(), value),
            (view, value) => panic!("{view:?} is not {value:?}"),
        }
    }
}

impl Same for Lists {
    fn same(view: ListsView<'_>, value: &Self) {
        plain(view.words(), &value.words);
        same_list!(view.floats(), &value.floats, |view, value: &f64| same_bits(view, *value));
        plain(view.flags(), &value.flags);
        same_list!(view.names(), &value.names, |view: &str, value: &String| assert_eq!(view, value));
        each(view.keys(), &value.keys, |view, value| assert_eq!(view, &**value));
        same_list!(view.points(), &value.points, Point::same);
        same_list!(view.labels(), &value.labels, Label::same);
        same_list!(view.groups(), &value.groups, Group::same);
        plain(view.colours(), &value.colours);
        same_list!(view.events(), &value.events, Event::same);
        plain(view.wide(), &value.wide);
    }
}

impl Same for Options {
    fn same(view: OptionsView<'_>, value: &Self) {
        assert_eq!((view.byte(), view.long(), view.flag()), (value.byte, value.long, value.flag));
        assert_eq!((view.array(), view.colour()), (value.array, value.colour));
        assert_eq!((view.text(), view.c()), (value.text.as_deref(), value.c.as_deref()));
        assert_eq!(view.raw(), value.raw.as_deref());
        option(view.list(), value.list.as_ref(), |view, value| plain(view, value));
        option(view.labels(), value.labels.as_ref(), |view, value| same_list!(view, value, Label::same));
        option(view.point(), value.point.as_ref(), Point::same);
        option(view.label(), value.label.as_ref(), Label::same);
        option(view.event(), value.event.as_ref(), Event::same);
    }
}

impl Same for Bounded {
    fn same(view: BoundedView<'_>, value: &Self) {
        assert_eq!((view.low(), view.high(), view.name()), (value.low, value.high, &*value.name));
        Empty::same(view.empty(), &value.empty);
        Point::same(view.point(), &value.point);
        same_list!(view.labels(), &value.labels, Label::same);
        Label::same(view.label(), &value.label);
    }
}

impl Same for Everything {
    fn same(view: EverythingView<'_>, value: &Self) {
        Scalars::same(view.scalars(), &value.scalars);
        Codes::same(view.codes(), &value.codes);
        Texts::same(view.texts(), &value.texts);
        Lists::same(view.lists(), &value.lists);
        Options::same(view.options(), &value.options);
        Bounded::same(view.bounded(), &value.bounded);
        Event::same(view.event(), &value.event);
        same_list!(view.groups(), &value.groups, Group::same);
    }
}
