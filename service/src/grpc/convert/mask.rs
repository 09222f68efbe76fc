//! Update masks.

use contacts_proto::FieldMask;

use crate::domain::error::{Error, Reason, Result};

/// The paths of a mask. None when the caller sent none: then the populated
/// fields are meant.
pub fn paths(mask: Option<FieldMask>) -> Option<Vec<String>> {
    mask.map(|mask| mask.paths).filter(|paths| !paths.is_empty())
}

/// Which fields of a definition change: those of `writable` that the mask
/// names, or that are populated when there is none. `*` names them all.
pub fn chosen<'a>(mask: Option<FieldMask>, writable: &[(&'a str, bool)]) -> Result<Vec<&'a str>> {
    let Some(paths) = paths(mask) else {
        return Ok(writable.iter().filter(|(_, set)| *set).map(|(field, _)| *field).collect());
    };
    let mut chosen = Vec::new();
    for path in paths {
        match writable.iter().find(|(field, _)| *field == path) {
            Some((field, _)) => chosen.push(*field),
            None if path == "*" => chosen.extend(writable.iter().map(|(field, _)| *field)),
            None => {
                let names: Vec<_> = writable.iter().map(|(field, _)| *field).collect();
                return Err(unknown(&path, &names.join(", ")));
            }
        }
    }
    Ok(chosen)
}

/// The error for a path that is not one.
pub fn unknown(path: &str, valid: &str) -> Error {
    let shown: String = path.chars().take(64).collect();
    let message = format!("no field {shown:?} to update; the paths are {valid}");
    Error::invalid(Reason::InvalidUpdateMask, "update_mask", message).with_metadata("path", shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(paths: &[&str]) -> Option<FieldMask> {
        Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
    }

    #[test]
    fn a_mask_chooses_and_no_mask_means_what_is_populated() {
        let writable = [("name", true), ("color", false)];
        assert_eq!(chosen(mask(&["color"]), &writable).expect("a path"), ["color"]);
        assert_eq!(chosen(mask(&["*"]), &writable).expect("all"), ["name", "color"]);
        for absent in [None, mask(&[])] {
            assert_eq!(chosen(absent, &writable).expect("populated"), ["name"]);
        }
    }

    #[test]
    fn an_unknown_path_is_answered_with_the_known_ones() {
        let error = chosen(mask(&["colour"]), &[("color", true)]).expect_err("unknown");
        assert_eq!(error.reason(), Reason::InvalidUpdateMask);
        assert!(error.message().contains("color"), "{error}");
    }
}
