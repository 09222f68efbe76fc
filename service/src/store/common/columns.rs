//! Reading columns the same way on every engine.

use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::values;
use crate::domain::Time;
use crate::domain::consent::OptInStatus;
use crate::domain::error::Result;

/// A row, read by the positions of its columns. By name, reading a row costs
/// more than everything else that a check does with it.
pub(in crate::store) trait Columns {
    fn int(&self, at: usize) -> i64;
    fn optional_int(&self, at: usize) -> Option<i64>;
    fn code(&self, at: usize) -> i16;
    fn int32(&self, at: usize) -> i32;
    fn text(&self, at: usize) -> &str;
    fn optional_text(&self, at: usize) -> Option<&str>;
    fn bytes(&self, at: usize) -> &[u8];
    fn id(&self, at: usize) -> Uuid;
    fn optional_id(&self, at: usize) -> Option<Uuid>;

    fn string(&self, at: usize) -> String {
        self.text(at).to_owned()
    }

    fn time(&self, at: usize) -> Time {
        values::time(self.int(at))
    }

    fn optional_time(&self, at: usize) -> Option<Time> {
        self.optional_int(at).map(values::time)
    }

    fn status(&self, at: usize) -> Result<OptInStatus> {
        values::status(self.code(at))
    }
}

macro_rules! columns_of {
    ($row:ty) => {
        impl Columns for $row {
            fn int(&self, at: usize) -> i64 {
                self.get(at)
            }
            fn optional_int(&self, at: usize) -> Option<i64> {
                self.get(at)
            }
            fn code(&self, at: usize) -> i16 {
                self.get(at)
            }
            fn int32(&self, at: usize) -> i32 {
                self.get(at)
            }
            fn text(&self, at: usize) -> &str {
                self.get(at)
            }
            fn optional_text(&self, at: usize) -> Option<&str> {
                self.get(at)
            }
            fn bytes(&self, at: usize) -> &[u8] {
                self.get(at)
            }
            fn id(&self, at: usize) -> Uuid {
                self.get(at)
            }
            fn optional_id(&self, at: usize) -> Option<Uuid> {
                self.get(at)
            }
        }
    };
}

columns_of!(SqliteRow);
columns_of!(PgRow);
