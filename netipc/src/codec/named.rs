//! Fields by their names, for declarations that speak of the fields of messages they can't see.
//!
//! Owns: what a field is to whoever only has its name: a list, a key, a number. A name is the FNV-1a hash of its letters,
//! which the derive and `#[netipc::service]` both compute.

use core::ffi::CStr;
use core::marker::PhantomData;
use std::ffi::CString;

use super::cell::Cell;
use super::directory::{Item, Items};
use super::list::Table;
use super::message::Structure;
use super::text::{ByteStr, Bytes, NulBytes};

/// The field of a message whose name hashes to `NAME`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no field of a name that is given here",
    label = "a message without such a field"
)]
pub trait Named<const NAME: u64>: Structure {
    /// What it is made of.
    type Field: Made;

    /// Its value.
    fn get<'a>(view: Self::View<'a>) -> <Self::Field as Made>::View<'a>;
}

/// What a field is made of.
pub trait Made {
    /// What a getter returns.
    type View<'a>: Copy;
}

impl<K: Cell> Made for K {
    type View<'a> = K::View<'a>;
}

/// The name of a field, as a type.
#[derive(Debug)]
#[non_exhaustive]
pub struct Name<const HASH: u64>;

/// A field of an `M`.
pub trait FieldOf<M: Structure>: 'static {
    /// What it is made of.
    type Made: Made;

    /// Its value.
    fn get<'a>(view: M::View<'a>) -> <Self::Made as Made>::View<'a>;
}

impl<M: Named<HASH>, const HASH: u64> FieldOf<M> for Name<HASH> {
    type Made = M::Field;

    #[inline(always)]
    fn get<'a>(view: M::View<'a>) -> <M::Field as Made>::View<'a> {
        M::get(view)
    }
}

/// A list whose elements' fixed parts stand in a table.
#[derive(Debug)]
pub struct TableOf<E>(PhantomData<fn() -> E>);

impl<E: Structure> Made for TableOf<E> {
    type View<'a> = Table<'a, E>;
}

/// A list behind a directory.
#[derive(Debug)]
pub struct DirectoryOf<I>(PhantomData<fn() -> I>);

impl<I: Item> Made for DirectoryOf<I> {
    type View<'a> = Items<'a, I>;
}

/// A list of messages.
#[diagnostic::on_unimplemented(
    message = "this field is no list of messages",
    label = "`{Self}`, where a list of messages is needed"
)]
pub trait Records: Made {
    /// The message.
    type Record: Structure;

    /// How many there are.
    fn len(view: Self::View<'_>) -> usize;

    /// Takes the first one from what is left.
    fn next<'a>(view: &mut Self::View<'a>) -> Option<<Self::Record as Structure>::View<'a>>;

    /// Number `index`, from 0.
    fn get(view: Self::View<'_>, index: usize) -> Option<<Self::Record as Structure>::View<'_>>;
}

macro_rules! records {
    ($($list:ty),*) => {$(
        impl<M: Structure> Records for $list {
            type Record = M;

            #[inline]
            fn len(view: Self::View<'_>) -> usize {
                view.len()
            }

            #[inline]
            fn next<'a>(view: &mut Self::View<'a>) -> Option<M::View<'a>> {
                Iterator::next(view)
            }

            #[inline]
            fn get(view: Self::View<'_>, index: usize) -> Option<M::View<'_>> {
                view.get(index)
            }
        }
    )*};
}

records!(Vec<M>, TableOf<M>, DirectoryOf<M>);

/// What takes the parts of a key in.
pub trait Digest {
    /// A number.
    fn word(&mut self, word: u64);

    /// Bytes, and where they end.
    fn bytes(&mut self, bytes: &[u8]);
}

/// A field that can be part of a key.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot be part of a key; integers, bool, enums without data, text and bytes can",
    label = "no part of a key"
)]
pub trait Key: Made {
    /// What is looked for.
    type Sought<'k>: Copy;

    /// The value of a view, as it is looked for.
    fn sought<'a>(view: Self::View<'a>) -> Self::Sought<'a>;

    /// Whether both are equal.
    fn same(one: Self::Sought<'_>, other: Self::Sought<'_>) -> bool;

    /// Has a digest take it in.
    fn digest(key: Self::Sought<'_>, digest: &mut impl Digest);
}

macro_rules! keys {
    ($($cell:ty, $sought:ty, $view:ident => $value:expr, $key:ident, $digest:ident => $taken:expr;)*) => {$(
        impl Key for $cell {
            type Sought<'k> = $sought;

            #[inline(always)]
            fn sought<'a>($view: Self::View<'a>) -> Self::Sought<'a> {
                $value
            }

            #[inline(always)]
            fn same(one: Self::Sought<'_>, other: Self::Sought<'_>) -> bool {
                one == other
            }

            #[inline(always)]
            #[allow(
                clippy::allow_attributes,
                trivial_numeric_casts,
                clippy::cast_sign_loss,
                clippy::cast_lossless,
                reason = "equal numbers give equal words, whatever their type"
            )]
            fn digest($key: Self::Sought<'_>, $digest: &mut impl Digest) {
                $taken;
            }
        }
    )*};
}

macro_rules! number_keys {
    ($($number:ty),*) => {
        keys! { $($number, Self, view => view, key, digest => digest.word(key as u64);)* }
    };
}

number_keys!(u8, u16, u32, u64, i8, i16, i32, i64, bool);

keys! {
    String, &'k str, view => view, key, digest => digest.bytes(key.as_bytes());
    CString, &'k CStr, view => view, key, digest => digest.bytes(key.to_bytes());
    Bytes, &'k [u8], view => view, key, digest => digest.bytes(key);
    NulBytes, &'k [u8], view => { let ByteStr(bytes) = view; bytes }, key, digest => digest.bytes(key);
}

/// As ids of 16 bytes are, and hashes.
impl<const N: usize> Key for [u8; N] {
    type Sought<'k> = Self;

    #[inline(always)]
    fn sought<'a>(view: Self::View<'a>) -> Self::Sought<'a> {
        view
    }

    #[inline(always)]
    fn same(one: Self, other: Self) -> bool {
        one == other
    }

    #[inline(always)]
    fn digest(key: Self, digest: &mut impl Digest) {
        digest.bytes(&key);
    }
}

/// Some fields of an `M`, by which it is looked up: one is sought as it is, several as a tuple.
pub trait KeyOf<M: Structure>: 'static {
    /// What is looked for.
    type Sought<'k>: Copy;

    /// The key of a message.
    fn sought<'a>(view: M::View<'a>) -> Self::Sought<'a>;

    /// Whether both are equal.
    fn same(one: Self::Sought<'_>, other: Self::Sought<'_>) -> bool;

    /// Has a digest take it in.
    fn digest(key: Self::Sought<'_>, digest: &mut impl Digest);
}

impl<M: Structure, A: FieldOf<M, Made: Key>> KeyOf<M> for (A,) {
    type Sought<'k> = <A::Made as Key>::Sought<'k>;

    #[inline(always)]
    fn sought<'a>(view: M::View<'a>) -> Self::Sought<'a> {
        A::Made::sought(A::get(view))
    }

    #[inline(always)]
    fn same(one: Self::Sought<'_>, other: Self::Sought<'_>) -> bool {
        A::Made::same(one, other)
    }

    #[inline(always)]
    fn digest(key: Self::Sought<'_>, digest: &mut impl Digest) {
        A::Made::digest(key, digest);
    }
}

macro_rules! keys_of {
    ($($field:ident $at:tt),*) => {
        impl<M: Structure, $($field: FieldOf<M, Made: Key>),*> KeyOf<M> for ($($field,)*) {
            type Sought<'k> = ($(<$field::Made as Key>::Sought<'k>,)*);

            #[inline(always)]
            fn sought<'a>(view: M::View<'a>) -> Self::Sought<'a> {
                ($($field::Made::sought($field::get(view)),)*)
            }

            #[inline(always)]
            fn same(one: Self::Sought<'_>, other: Self::Sought<'_>) -> bool {
                $($field::Made::same(one.$at, other.$at))&&*
            }

            #[inline(always)]
            fn digest(key: Self::Sought<'_>, digest: &mut impl Digest) {
                $($field::Made::digest(key.$at, digest);)*
            }
        }
    };
}

keys_of!(A 0, B 1);
keys_of!(A 0, B 1, C 2);
keys_of!(A 0, B 1, C 2, D 3);
keys_of!(A 0, B 1, C 2, D 3, E 4);
keys_of!(A 0, B 1, C 2, D 3, E 4, F 5);
keys_of!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
keys_of!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

/// A field that can count snapshots.
#[diagnostic::on_unimplemented(
    message = "a generation is an unsigned integer, and no `{Self}`",
    label = "counts no snapshots"
)]
pub trait Count: Made {
    /// The count.
    fn count(view: Self::View<'_>) -> u64;
}

macro_rules! counts {
    ($($number:ty),*) => {$(
        impl Count for $number {
            #[inline]
            fn count(view: Self) -> u64 {
                view.into()
            }
        }
    )*};
}

counts!(u8, u16, u32, u64);
