# Short names for the everyday commands. `just` is optional: each is one line to copy.

# List the commands.
default:
    @just --list

# Serve on 127.0.0.1:50051 from contacts.db; flags go to the program.
serve *flags:
    cargo run --release --bin contacts-service -- {{ flags }}

# Run every test: on SQLite, on Postgres, and with outside clients.
test *step:
    tests/run {{ step }}

# Run the Rust tests only, on SQLite and on Postgres.
test-quick:
    tests/run rust

# Check what a change must pass: formatting, lints, the contract, the documentation, then every test.
ci:
    .ci/run

# Check formatting and lints, the first steps of `.ci/run`.
lint:
    cargo fmt --all --check && cargo clippy --workspace --all-targets --all-features -- -D warnings

# Break one rule after the other in a copy of the source, and see that a test fails for each.
mutants *names:
    tests/mutants/run {{ names }}

# Measure, on an idle machine. `just bench --write BENCHMARKS.md` records it.
bench *flags:
    cargo build --release && cargo run --release -p contacts-tests --bin bench -- {{ flags }}

# Attack a server in the ways that took an earlier version down, and show what its other callers notice.
attack *flags:
    cargo build --release && cargo run --release -p contacts-tests --bin attack -- {{ flags }}

# Fuzz what reads the bytes of callers: `just fuzz 600 filter`.
fuzz *arguments:
    tests/fuzz/run {{ arguments }}

# Make the Rust code again after a change of a .proto file.
protos:
    REGENERATE=1 cargo test -p contacts-proto
