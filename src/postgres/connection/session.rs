//! Settings of every session.

/// Sent after each login, so that the role's and the database's own defaults do not change how
/// values are written, nor end a snapshot or a stream: times in ISO form and UTC, floats without
/// loss, bytes as hexadecimal digits, money with two digits behind a point (`postgres::types` decodes
/// these forms and no others); no limit on statements and idle transactions; a lock that
/// cannot be had is given up after 10 s instead of queueing everybody else behind it; row security
/// fails instead of hiding rows.
pub(in crate::postgres) const SESSION_SETTINGS: &str = "SET datestyle = 'ISO'; \
     SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET extra_float_digits = 3; \
     SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET statement_timeout = 0; SET lock_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = 0; SET row_security = off";
