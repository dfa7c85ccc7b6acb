//! Enums without data: one integer on the wire.

use super::scalar::Scalar;
use super::schema::Codes;

/// An enum whose values are integers: what the derive writes of it. Not meant to be implemented by hand.
pub trait Code: Copy + 'static {
    /// The integer on the wire.
    type Repr: Scalar;
    /// Names and values.
    const CODES: &'static Codes;
    /// What a getter hands out where a proof was not asked for first, which can't be.
    const FIRST: Self;
    /// The variant of a value.
    fn from_wire(value: Self::Repr) -> Option<Self>;
    /// The value of a variant.
    fn to_wire(self) -> Self::Repr;
    /// The name of a variant.
    fn name(self) -> &'static str;
}

/// Makes an enum that is a [`Code`] a cell.
#[doc(hidden)]
#[macro_export]
macro_rules! __code_cell {
    ($type:ty, $repr:ty) => {
        #[automatically_derived]
        impl $crate::private::Cell for $type {
            const SIZE: ::core::primitive::usize = <$repr as $crate::private::Cell>::SIZE;
            const ALIGN: ::core::primitive::usize = <$repr as $crate::private::Cell>::ALIGN;
            const PLAIN: ::core::primitive::bool = <$type as $crate::private::Code>::CODES.open;
            const TAIL: ::core::primitive::bool = false;
            const KIND: $crate::codec::schema::Kind =
                $crate::codec::schema::Kind::Code(<$type as $crate::private::Code>::CODES);

            type Owned = Self;
            type View<'a> = Self;
            type Part<'p> = Self;
            type Probe = Self;

            #[inline(always)]
            fn prove(
                cell: &[::core::primitive::u8],
                at: ::core::primitive::usize,
                _: ::core::primitive::usize,
                _: &mut $crate::private::Prover<'_>,
            ) -> ::core::result::Result<(), $crate::DecodeError> {
                $crate::private::prove_code::<Self>(cell, at)
            }

            #[inline(always)]
            fn view(place: $crate::private::Place<'_, Self>) -> Self {
                $crate::private::get_code(place)
            }

            #[inline(always)]
            fn probe(cell: &[::core::primitive::u8]) -> Self {
                $crate::private::read_code(cell)
            }

            fn valid(cell: &[::core::primitive::u8]) -> ::core::result::Result<(), $crate::codec::Rule> {
                $crate::private::valid_code::<Self>(cell)
            }

            #[inline(always)]
            fn to_owned(view: Self) -> Self {
                view
            }

            #[inline(always)]
            fn part(owned: &Self) -> Self {
                *owned
            }

            #[inline(always)]
            fn write(
                part: Self,
                cell: &mut [::core::primitive::u8],
                _: ::core::primitive::usize,
                _: ::core::primitive::usize,
                _: &mut $crate::private::Output<'_>,
            ) {
                $crate::private::write_code(part, cell);
            }

            fn fmt(view: &Self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                $crate::private::fmt_code(*view, f)
            }
        }

        #[automatically_derived]
        impl $crate::private::Key for $type {
            type Sought<'k> = Self;

            #[inline(always)]
            fn sought<'a>(view: <Self as $crate::private::Cell>::View<'a>) -> Self::Sought<'a> {
                view
            }

            #[inline(always)]
            fn same(one: Self, other: Self) -> ::core::primitive::bool {
                $crate::private::same_code(one, other)
            }

            #[inline(always)]
            fn digest(key: Self, digest: &mut impl $crate::private::Digest) {
                $crate::private::digest_code(key, digest);
            }
        }

        #[automatically_derived]
        impl $crate::private::Element for $type {
            type Image = [::core::primitive::u8; <$repr as $crate::private::Cell>::SIZE];
            const BLANK: Self::Image = [0; <$repr as $crate::private::Cell>::SIZE];
        }

        #[automatically_derived]
        impl $crate::private::Pushed for $type {
            type Builder<'p, 'w: 'p> = $crate::codec::ValuesBuilder<'p, 'w, Self>;
            fn pushed<'p, 'w>(list: $crate::private::OpenList<'p, 'w>) -> Self::Builder<'p, 'w> {
                $crate::private::values(list)
            }
        }

        #[automatically_derived]
        impl $crate::private::Payload for $type {
            fn bare<'a>(
                view: <Self as $crate::codec::WireMessage>::View<'a>,
            ) -> <Self as $crate::private::Cell>::View<'a> {
                $crate::codec::CodeView::get(view)
            }

            fn write_part(
                part: Self,
                writer: &mut $crate::buf::Writer<'_>,
            ) -> ::core::result::Result<::core::primitive::usize, $crate::EncodeError> {
                $crate::private::append_code(part, writer)
            }
        }

        #[automatically_derived]
        impl $crate::codec::WireMessage for $type {
            const LAYOUT: $crate::codec::schema::Layout = $crate::private::code_layout::<Self>();
            type View<'a> = $crate::codec::CodeView<Self>;

            #[inline]
            fn decode(
                payload: &[::core::primitive::u8],
            ) -> ::core::result::Result<$crate::codec::CodeView<Self>, $crate::DecodeError> {
                $crate::private::decode_code::<Self>(payload)
            }

            fn decode_owned(payload: &[::core::primitive::u8]) -> ::core::result::Result<Self, $crate::DecodeError> {
                ::core::result::Result::map($crate::private::decode_code::<Self>(payload), $crate::codec::CodeView::get)
            }

            fn encode(
                &self,
                buffer: &mut [::core::primitive::u8],
            ) -> ::core::result::Result<::core::primitive::usize, $crate::EncodeError> {
                $crate::private::encode_code(*self, buffer)
            }

            fn encode_in(
                &self,
                writer: &mut $crate::buf::Writer<'_>,
            ) -> ::core::result::Result<::core::primitive::usize, $crate::EncodeError> {
                $crate::private::append_code(*self, writer)
            }

            fn encoded_len(&self) -> ::core::primitive::usize {
                <$repr as $crate::private::Cell>::SIZE
            }
        }
    };
}
