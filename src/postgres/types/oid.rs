//! Oids of PostgreSQL's built-in types (`pg_type.dat`), which never change.

macro_rules! oids {
    ($($name:ident = $oid:literal, $array:ident = $array_oid:literal, $text:literal;)*) => {
        $(pub(super) const $name: u32 = $oid;
        pub(super) const $array: u32 = $array_oid;)*

        /// The element type of a built-in array type.
        pub(super) fn element(array: u32) -> Option<u32> {
            match array {
                $($array => Some($name),)*
                _ => None,
            }
        }

        /// The name of a built-in type.
        pub(super) fn name(oid: u32) -> Option<&'static str> {
            match oid {
                $($name => Some($text),
                $array => Some(concat!("_", $text)),)*
                _ => None,
            }
        }
    };
}

oids! {
    BOOL = 16, BOOL_ARRAY = 1000, "bool";
    BYTEA = 17, BYTEA_ARRAY = 1001, "bytea";
    CHAR = 18, CHAR_ARRAY = 1002, "char";
    NAME = 19, NAME_ARRAY = 1003, "name";
    INT8 = 20, INT8_ARRAY = 1016, "int8";
    INT2 = 21, INT2_ARRAY = 1005, "int2";
    INT4 = 23, INT4_ARRAY = 1007, "int4";
    TEXT = 25, TEXT_ARRAY = 1009, "text";
    OID = 26, OID_ARRAY = 1028, "oid";
    JSON = 114, JSON_ARRAY = 199, "json";
    XML = 142, XML_ARRAY = 143, "xml";
    POINT = 600, POINT_ARRAY = 1017, "point";
    FLOAT4 = 700, FLOAT4_ARRAY = 1021, "float4";
    FLOAT8 = 701, FLOAT8_ARRAY = 1022, "float8";
    MACADDR8 = 774, MACADDR8_ARRAY = 775, "macaddr8";
    MONEY = 790, MONEY_ARRAY = 791, "money";
    MACADDR = 829, MACADDR_ARRAY = 1040, "macaddr";
    INET = 869, INET_ARRAY = 1041, "inet";
    CIDR = 650, CIDR_ARRAY = 651, "cidr";
    BPCHAR = 1042, BPCHAR_ARRAY = 1014, "bpchar";
    VARCHAR = 1043, VARCHAR_ARRAY = 1015, "varchar";
    DATE = 1082, DATE_ARRAY = 1182, "date";
    TIME = 1083, TIME_ARRAY = 1183, "time";
    TIMESTAMP = 1114, TIMESTAMP_ARRAY = 1115, "timestamp";
    TIMESTAMPTZ = 1184, TIMESTAMPTZ_ARRAY = 1185, "timestamptz";
    INTERVAL = 1186, INTERVAL_ARRAY = 1187, "interval";
    TIMETZ = 1266, TIMETZ_ARRAY = 1270, "timetz";
    BIT = 1560, BIT_ARRAY = 1561, "bit";
    VARBIT = 1562, VARBIT_ARRAY = 1563, "varbit";
    NUMERIC = 1700, NUMERIC_ARRAY = 1231, "numeric";
    UUID = 2950, UUID_ARRAY = 2951, "uuid";
    TSVECTOR = 3614, TSVECTOR_ARRAY = 3643, "tsvector";
    JSONB = 3802, JSONB_ARRAY = 3807, "jsonb";
    INT4RANGE = 3904, INT4RANGE_ARRAY = 3905, "int4range";
    NUMRANGE = 3906, NUMRANGE_ARRAY = 3907, "numrange";
    TSRANGE = 3908, TSRANGE_ARRAY = 3909, "tsrange";
    TSTZRANGE = 3910, TSTZRANGE_ARRAY = 3911, "tstzrange";
    DATERANGE = 3912, DATERANGE_ARRAY = 3913, "daterange";
    INT8RANGE = 3926, INT8RANGE_ARRAY = 3927, "int8range";
}

/// `int2vector`: an array of int2 printed with spaces.
pub(super) const INT2VECTOR: u32 = 22;
/// `oidvector`: an array of oid printed with spaces.
pub(super) const OIDVECTOR: u32 = 30;
