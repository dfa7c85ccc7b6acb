//! Each message, written in place.

use netipc::{EncodeError, WireMessage};
use netipc_tests::natural::*;

/// A message that can be built in place.
pub trait Build: WireMessage {
    /// Builds it, with `spare` entries too many in every list, and text in reverse order where `reversed`.
    fn build(&self, buffer: &mut [u8], spare: usize, reversed: bool) -> Result<usize, EncodeError>;
}

impl Build for Empty {
    fn build(&self, buffer: &mut [u8], _: usize, _: bool) -> Result<usize, EncodeError> {
        Self::builder(buffer).finish()
    }
}

impl Build for Scalars {
    fn build(&self, buffer: &mut [u8], _: usize, _: bool) -> Result<usize, EncodeError> {
        let mut to = Self::builder(buffer);
        to.p(self.p).o(self.o).n(self.n).m(!self.m).m(self.m).l(self.l).k(self.k).j(self.j).i(self.i).h(self.h);
        to.g(self.g).f(self.f).e(self.e).d(self.d).c(self.c).b(self.b).a(self.a);
        to.finish()
    }
}

impl Build for Codes {
    fn build(&self, buffer: &mut [u8], _: usize, _: bool) -> Result<usize, EncodeError> {
        let mut to = Self::builder(buffer);
        to.wide(self.wide).level(self.level).shape(self.shape).colour(Colour::Red).colour(self.colour);
        to.finish()
    }
}

impl Build for Point {
    fn build(&self, buffer: &mut [u8], _: usize, _: bool) -> Result<usize, EncodeError> {
        let mut to = Self::builder(buffer);
        to.y(self.y).x(self.x);
        to.finish()
    }
}

fn label<'b, 'w>(to: &'b mut LabelBuilder<'w>, value: &Label, reversed: bool) -> &'b mut LabelBuilder<'w> {
    if reversed {
        to.value(&value.value).weight(value.weight).key("").key(&value.key)
    } else {
        to.weight(value.weight).key(&value.key).value(&value.value)
    }
}

impl Build for Label {
    fn build(&self, buffer: &mut [u8], _: usize, reversed: bool) -> Result<usize, EncodeError> {
        let mut to = Self::builder(buffer);
        label(&mut to, self, reversed);
        to.finish()
    }
}

impl Build for Texts {
    fn build(&self, buffer: &mut [u8], _: usize, reversed: bool) -> Result<usize, EncodeError> {
        let mut to = Self::builder(buffer);
        if reversed {
            to.more(&self.more).raw(&self.raw).nul(&self.nul).utf8(&self.utf8).c(&self.c);
        } else {
            to.utf8(&self.utf8).c(&self.c).raw(&self.raw).nul(&self.nul).more(&self.more);
        }
        to.finish()
    }
}

fn names<'b, 'w>(to: &'b mut NamesBuilder<'w>, value: &Names, spare: usize) -> &'b mut NamesBuilder<'w> {
    let mut list = to.names(value.names.len() + spare);
    for name in &value.names {
        list.push(name);
    }
    let mut list = to.keys(value.keys.len() + 2 * spare);
    for key in &value.keys {
        list.push(key);
    }
    to
}

impl Build for Names {
    fn build(&self, buffer: &mut [u8], spare: usize, _: bool) -> Result<usize, EncodeError> {
        let mut to = Self::builder(buffer);
        names(&mut to, self, spare);
        to.finish()
    }
}

fn group<'b, 'w>(
    to: &'b mut GroupBuilder<'w>,
    value: &Group,
    spare: usize,
    reversed: bool,
) -> &'b mut GroupBuilder<'w> {
    if reversed {
        to.title("an earlier one");
    }
    to.title(&value.title);
    let mut members = to.members(value.members.len() + spare);
    for member in &value.members {
        members.push(|to| names(to, member, spare));
    }
    let mut sizes = to.sizes(value.sizes.len() + spare);
    for size in &value.sizes {
        sizes.push(*size);
    }
    to.last(&value.last)
}

impl Build for Group {
    fn build(&self, buffer: &mut [u8], spare: usize, reversed: bool) -> Result<usize, EncodeError> {
        let mut to = Self::builder(buffer);
        group(&mut to, self, spare, reversed);
        to.finish()
    }
}

fn event<'b, 'w>(to: &'b mut EventBuilder<'w>, value: &Event) -> &'b mut EventBuilder<'w> {
    match value {
        Event::Nothing => to.set_nothing(),
        Event::Moved { to: point, by } => to.set_moved(point, by),
        Event::Said(text, labels) => to.set_said(text, labels),
        Event::Count(count) => to.set_count(!*count).set_count(*count),
        Event::Raw(raw) => to.set_nothing().set_raw(raw),
    }
}

impl Build for Event {
    fn build(&self, buffer: &mut [u8], _: usize, _: bool) -> Result<usize, EncodeError> {
        let mut to = Self::builder(buffer);
        event(&mut to, self);
        to.finish()
    }
}

fn lists(to: &mut ListsBuilder<'_>, value: &Lists, spare: usize, reversed: bool) {
    macro_rules! values {
        ($field:ident) => {
            let mut list = to.$field(value.$field.len() + spare);
            for value in &value.$field {
                list.push(*value);
            }
        };
    }
    values!(words);
    values!(floats);
    values!(flags);
    let mut list = to.names(value.names.len() + spare);
    for value in &value.names {
        list.push(value);
    }
    let mut list = to.keys(value.keys.len() + spare);
    for value in &value.keys {
        list.push(value);
    }
    let mut list = to.points(value.points.len() + spare);
    for value in &value.points {
        list.push(|to| to.y(value.y).x(value.x));
    }
    let mut list = to.labels(value.labels.len() + spare);
    for value in &value.labels {
        list.push(|to| label(to, value, reversed));
    }
    let mut list = to.groups(value.groups.len() + spare);
    for value in &value.groups {
        list.push(|to| group(to, value, spare, reversed));
    }
    values!(colours);
    let mut list = to.events(value.events.len() + spare);
    for value in &value.events {
        list.push(|to| event(to, value));
    }
    values!(wide);
}

impl Build for Lists {
    fn build(&self, buffer: &mut [u8], spare: usize, reversed: bool) -> Result<usize, EncodeError> {
        let mut to = Self::builder(buffer);
        lists(&mut to, self, spare, reversed);
        to.finish()
    }
}

impl Build for Options {
    fn build(&self, buffer: &mut [u8], _: usize, _: bool) -> Result<usize, EncodeError> {
        let mut to = Self::builder(buffer);
        to.colour(self.colour).array(self.array).flag(self.flag).long(self.long).byte(None).byte(self.byte);
        to.text(self.text.as_deref()).c(self.c.as_deref()).raw(self.raw.as_deref()).list(self.list.as_deref());
        to.labels(self.labels.as_deref()).point(self.point.as_ref()).label(self.label.as_ref());
        to.event(self.event.as_ref());
        to.finish()
    }
}

impl Build for Bounded {
    fn build(&self, buffer: &mut [u8], spare: usize, reversed: bool) -> Result<usize, EncodeError> {
        let mut to = Self::builder(buffer);
        to.high(self.high).low(self.low).name(&self.name).empty(&self.empty).point(&self.point);
        let mut list = to.labels(self.labels.len() + spare);
        for value in &self.labels {
            list.push(|to| label(to, value, reversed));
        }
        to.label(&self.label);
        to.finish()
    }
}

impl Build for Everything {
    fn build(&self, buffer: &mut [u8], spare: usize, reversed: bool) -> Result<usize, EncodeError> {
        let mut to = Self::builder(buffer);
        to.scalars(&self.scalars).codes(&self.codes).texts(&self.texts).lists(&self.lists).options(&self.options);
        to.bounded(&self.bounded).event(&self.event);
        let mut list = to.groups(self.groups.len() + spare);
        for value in &self.groups {
            if spare == 0 {
                list.push_value(value);
            } else {
                list.push(|to| group(to, value, spare, reversed));
            }
        }
        to.finish()
    }
}
