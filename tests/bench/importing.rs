//! The import, beside its floor.

use std::path::Path;

use super::instance::{Database, Engine, Instance};
use super::options::Effort;
use super::report::Report;
use super::series::Series;
use super::{Result, floor};

/// Imports into a new database each time. Returns the last one.
pub async fn measure(
    engine: &Engine,
    folder: &Path,
    contacts: u64,
    effort: Effort,
    report: &mut Report,
) -> Result<(Instance, Series)> {
    let (mut ours, mut writer) = <(Series, Series)>::default();
    let mut repetition = 1;
    let instance = loop {
        let instance = Instance::start(engine, folder, "bench").await?;
        let before = instance.cpu()?;
        let time = instance.import(contacts).await?;
        ours.costed(contacts, time, instance.cpu()? - before);
        if repetition == 1 {
            report.memory("server memory after an import, and its peak", &instance.server);
        }
        writer.speed(match &instance.database {
            Database::Sqlite(path) => floor::sqlite(path, &instance.key_file, contacts)?,
            Database::Postgres { url, .. } => {
                floor::postgres(url, &instance.key_file, contacts).await?
            }
        });
        if repetition == effort.repetitions {
            break instance;
        }
        instance.end().await?;
        repetition += 1;
    };
    report.ratio(
        "import",
        &ours,
        "the same rows into the same tables, one writer",
        &writer,
        Some(0.8),
    );
    report.value("… rows/s", &ours, "≥ 40 000/s");
    Ok((instance, ours))
}
