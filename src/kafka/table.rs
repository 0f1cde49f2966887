//! `message!`: the table of a message's fields, from which its struct, reading and writing of every
//! version are made.
//!
//! ```text
//! message! {
//!     /// What it is.
//!     Name {
//!         /// What the field is.
//!         field: Type => versions [, null versions] [, tag number] [, default value];
//!     }
//! }
//! ```
//!
//! `versions` is a range of versions that have the field, such as `3..` or `..=12`. A field that a
//! version does not have is left out when writing and has its default after reading. `null` gives
//! the versions in which an `Option` may be null (all, where it is not said); writing null in
//! another version writes the empty value. Fields with a `tag` travel as tagged fields, and only
//! where they differ from their default. Field names are Kafka's, in snake case.

macro_rules! message {
    (
        $(#[$doc:meta])*
        $name:ident {
            $(
                $(#[$field_doc:meta])*
                $field:ident: $type:ty => $versions:expr
                    $(, null $null:expr)?
                    $(, tag $tag:literal)?
                    $(, default $default:expr)?;
            )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $crate::kafka::table::default_of!($($default)?),)* }
            }
        }

        impl $crate::kafka::wire::Wire for $name {
            fn decode(
                reader: &mut $crate::kafka::reader::Reader<'_>,
            ) -> Result<Self, $crate::kafka::Error> {
                let mut value = Self::default();
                $($crate::kafka::table::decode_field!(
                    value, reader, $field, ($versions), [$($null)?], [$($tag)?]
                );)*
                if reader.is_flexible() {
                    reader.tagged_fields(|_tag, _reader| {
                        $($crate::kafka::table::decode_tagged!(
                            value, _reader, _tag, $field, ($versions), [$($tag)?]
                        );)*
                        Ok(false)
                    })?;
                }
                Ok(value)
            }

            fn encode(
                &self,
                writer: &mut $crate::kafka::writer::Writer,
            ) -> Result<(), $crate::kafka::Error> {
                $($crate::kafka::table::encode_field!(
                    self, writer, $field, $type, ($versions), [$($null)?], [$($tag)?]
                );)*
                if writer.is_flexible() {
                    let mut _count = 0_u32;
                    let _default = Self::default();
                    $($crate::kafka::table::count_tagged!(
                        self, writer, _default, _count, $field, ($versions), [$($tag)?]
                    );)*
                    writer.put_varint(_count);
                    $($crate::kafka::table::encode_tagged!(
                        self, writer, _default, $field, ($versions), [$($tag)?]
                    );)*
                }
                Ok(())
            }
        }

        #[cfg(test)]
        impl $crate::kafka::sample::Sample for $name {
            fn sample(source: &mut $crate::kafka::sample::Source) -> Self {
                let mut value = Self::default();
                $(if $crate::kafka::table::has(&($versions), source.version) {
                    value.$field = $crate::kafka::table::sample_field!(
                        source, $type, [$($null)?]
                    );
                })*
                value
            }
        }
    };
}

/// `request!(Request => Response, Api)`: the two messages of an API.
macro_rules! request {
    ($request:ident => $response:ident, $key:ident) => {
        impl $crate::kafka::Request for $request {
            const KEY: $crate::kafka::ApiKey = $crate::kafka::ApiKey::$key;
            type Response = $response;
        }

        #[cfg(test)]
        $crate::kafka::oracle::against_kafka_protocol!($request, $response, $key);
    };
}

macro_rules! default_of {
    () => {
        Default::default()
    };
    ($default:expr) => {
        $default
    };
}

macro_rules! decode_field {
    ($value:ident, $reader:ident, $field:ident, ($versions:expr), [], []) => {
        if $crate::kafka::table::has(&($versions), $reader.version()) {
            $value.$field = $crate::kafka::wire::Wire::decode($reader)?;
        }
    };
    ($value:ident, $reader:ident, $field:ident, ($versions:expr), [$null:expr], []) => {
        if $crate::kafka::table::has(&($versions), $reader.version()) {
            $value.$field = $crate::kafka::wire::Wire::decode($reader)?;
            if $value.$field.is_none() && !$crate::kafka::table::has(&($null), $reader.version()) {
                return Err($crate::kafka::Error::Null);
            }
        }
    };
    ($value:ident, $reader:ident, $field:ident, ($versions:expr), [], [$tag:literal]) => {};
}

macro_rules! decode_tagged {
    ($value:ident, $reader:ident, $got:ident, $field:ident, ($versions:expr), []) => {};
    ($value:ident, $reader:ident, $got:ident, $field:ident, ($versions:expr), [$tag:literal]) => {
        if $got == $tag && $crate::kafka::table::has(&($versions), $reader.version()) {
            $value.$field = $crate::kafka::wire::Wire::decode($reader)?;
            return Ok(true);
        }
    };
}

macro_rules! encode_field {
    ($self:ident, $writer:ident, $field:ident, $type:ty, ($versions:expr), [], []) => {
        if $crate::kafka::table::has(&($versions), $writer.version()) {
            $crate::kafka::wire::Wire::encode(&$self.$field, $writer)?;
        }
    };
    ($self:ident, $writer:ident, $field:ident, $type:ty, ($versions:expr), [$null:expr], []) => {
        if $crate::kafka::table::has(&($versions), $writer.version()) {
            if $self.$field.is_none() && !$crate::kafka::table::has(&($null), $writer.version()) {
                let empty: $type = Some(Default::default());
                $crate::kafka::wire::Wire::encode(&empty, $writer)?;
            } else {
                $crate::kafka::wire::Wire::encode(&$self.$field, $writer)?;
            }
        }
    };
    (
        $self:ident, $writer:ident, $field:ident, $type:ty, ($versions:expr), [], [$tag:literal]
    ) => {};
}

macro_rules! count_tagged {
    (
        $self:ident, $writer:ident, $default:ident, $count:ident, $field:ident, ($versions:expr), []
    ) => {};
    (
        $self:ident, $writer:ident, $default:ident, $count:ident, $field:ident, ($versions:expr),
        [$tag:literal]
    ) => {
        if $crate::kafka::table::has(&($versions), $writer.version())
            && $self.$field != $default.$field
        {
            $count += 1;
        }
    };
}

macro_rules! encode_tagged {
    ($self:ident, $writer:ident, $default:ident, $field:ident, ($versions:expr), []) => {};
    ($self:ident, $writer:ident, $default:ident, $field:ident, ($versions:expr), [$tag:literal]) => {
        if $crate::kafka::table::has(&($versions), $writer.version())
            && $self.$field != $default.$field
        {
            $writer.put_tagged_field($tag, |writer| {
                $crate::kafka::wire::Wire::encode(&$self.$field, writer)
            })?;
        }
    };
}

#[cfg(test)]
macro_rules! sample_field {
    ($source:ident, $type:ty, []) => {
        <$type as $crate::kafka::sample::Sample>::sample($source)
    };
    ($source:ident, $type:ty, [$null:expr]) => {{
        let sampled = <$type as $crate::kafka::sample::Sample>::sample($source);
        if sampled.is_none() && !$crate::kafka::table::has(&($null), $source.version) {
            Some(Default::default())
        } else {
            sampled
        }
    }};
}

#[cfg(test)]
pub(super) use sample_field;
pub(super) use {
    count_tagged, decode_field, decode_tagged, default_of, encode_field, encode_tagged, message,
    request,
};

/// Whether `version` is one of `versions`.
pub(super) fn has(versions: &impl std::ops::RangeBounds<i16>, version: i16) -> bool {
    versions.contains(&version)
}
