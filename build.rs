//! A new file in `migrations/` must make the program that embeds them build again.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
