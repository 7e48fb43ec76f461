//! Lists `datasets/*.toml` for `Catalog::built_in`.

fn main() -> std::io::Result<()> {
    pinlake_embed::files("datasets", "toml")
}
