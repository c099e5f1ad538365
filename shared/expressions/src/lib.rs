//! Reads a condition on the columns of a table, written in SQL, and says what is wrong with it. Never touches a row.
