# The list of checks stands in .ci/run and nowhere else; the recipes below name sections of it.

# shows the recipes
default:
    @just --list --unsorted

# the whole pipeline on this machine: rows in over HTTP, clean tables out
demo *args:
    cargo run --locked -- demo {{args}}

# the pipeline, until Ctrl-C
up *args:
    cargo run --locked -- up {{args}}

# every check, as CI runs it; or the named sections
ci *sections:
    .ci/run {{sections}}

# the tests of the workspace
test: (ci "test")

# format, clippy with warnings denied, and the template's linters
lint: (ci "fmt" "clippy" "template")

# the documentation, with warnings denied
docs: (ci "docs")

# licences, bans and sources of the dependencies
deny: (ci "deny")

# known vulnerabilities; needs the network
advisories: (ci "advisories")

# the datasets' definitions
check: (ci "datasets")

# the demo, and its tables read by other programs
outside: (ci "demo")

# the report page in a browser
page: (ci "page")

# the predecessor's own clients against a running pipeline
clients: (ci "clients")

# what clients should not send, asked of a running pipeline
doors: (ci "doors")

# other people's S3 and Kinesis
elsewhere: (ci "elsewhere")

# sudden death, full disks, load
endurance: (ci "endurance")

# faults from seeds: `just faults 0..5000`
faults seeds="0..2000":
    FAULT_SEEDS={{seeds}} cargo test --workspace --locked --test faults -- --nocapture

# what nobody would think of sending; eleven minutes a target unless told
fuzz *args:
    fuzz/run.sh {{args}}

# rows from a real PostgreSQL and MariaDB
databases: (ci "databases")

# what is shipped, run as AWS runs it
packages: (ci "packages")

# the memory that a day of 2 GB takes
large-day *args:
    benches/large_day.sh {{args}}

# speed, in parts and as a whole; never part of the tests
bench *args:
    cargo bench -p pinlake-stream --bench batch --locked -- {{args}}

# the peak of memory on the largest event
memory:
    cargo run --profile bench --locked -p pinlake-stream --example peak_memory

# which JSON parser?
parsers:
    cargo bench --manifest-path benches/parsers/Cargo.toml

# the Lambda packages, and what is in the template
package:
    sam build
