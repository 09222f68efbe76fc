//! `receipt public-keys` and `receipt verify`. Neither opens a database.

use std::fmt;
use std::io::Read;

use contacts_proto::receipt::{self, PublicKey, ReceiptError, VerifiedReceipt};
use contacts_service::config::{Database, ReceiptCommand};
use contacts_service::database::key_path;
use contacts_service::domain::contact::Recipient;
use contacts_service::domain::receipt::{is_about, to_json};
use contacts_service::key_file;

use super::Outcome;
use crate::say;

/// Longest input that is read: no receipt is longer.
const MAX_INPUT: u64 = 16 * 1024;

/// Why a receipt proves nothing of what was asked. Each has an exit code of its own.
#[derive(Debug)]
pub enum Unproven {
    /// It does not verify.
    Invalid(ReceiptError),
    /// It is about somebody else.
    AnotherPerson,
    /// Its salt was removed, without which nobody can tell whom it is about.
    NoSalt,
}

impl Unproven {
    /// The exit code, as `receipt verify --help` lists them.
    pub fn code(&self) -> u8 {
        match self {
            Self::Invalid(ReceiptError::UnknownKey(_)) => 4,
            Self::Invalid(ReceiptError::InvalidSignature | ReceiptError::InvalidSalt) => 5,
            Self::Invalid(_) => 3,
            Self::AnotherPerson => 6,
            Self::NoSalt => 7,
        }
    }
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::AnotherPerson => f.write_str(
                "the receipt is valid, but it is about another person than --about names",
            ),
            Self::NoSalt => f.write_str(
                "the receipt is valid, but has no salt: it does not show whom it is about",
            ),
        }
    }
}

impl std::error::Error for Unproven {}

/// `receipt public-keys` and `receipt verify`
pub fn receipt(command: ReceiptCommand) -> Outcome {
    match command {
        ReceiptCommand::PublicKeys(arguments) => {
            for key in public_keys(&arguments.database)? {
                say(format_args!("{}\t{key}", key.id()));
            }
            Ok(())
        }
        ReceiptCommand::Verify { receipt, public_keys: given, about, database } => {
            let text = if receipt == "-" { read_input()? } else { receipt };
            let keys = match given.is_empty() {
                true => public_keys(&database.database)?,
                false => given,
            };
            let verified = receipt::verify(text.trim(), &keys).map_err(Unproven::Invalid)?;
            if let Some(person) = about {
                require_about(&verified, &person)?;
            }
            say(format_args!("{}", to_json(&verified)));
            Ok(())
        }
    }
}

fn public_keys(database: &Database) -> Result<Vec<PublicKey>, Box<dyn std::error::Error>> {
    let keyring = key_file::read(&key_path(database)?)?;
    Ok(keyring.receipt_public_keys().map(|(_, key)| key).collect())
}

fn read_input() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().lock().take(MAX_INPUT).read_to_string(&mut text)?;
    Ok(text)
}

/// Fails unless the receipt is about this person.
fn require_about(receipt: &VerifiedReceipt, person: &Recipient) -> Result<(), Unproven> {
    if !receipt.has_salt() {
        return Err(Unproven::NoSalt);
    }
    match is_about(receipt, &person.into()) {
        true => Ok(()),
        false => Err(Unproven::AnotherPerson),
    }
}
