//! Lists `reports/*.sql` for `Reports::built_in`.

fn main() -> std::io::Result<()> {
    pinlake_embed::files("reports", "sql")
}
