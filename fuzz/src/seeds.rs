//! `seeds DIRECTORY`: writes the seeds of each target into `DIRECTORY/TARGET`, and prints the names of the targets.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let directory = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "corpus".to_owned()));
    for (name, run, seeds) in zmq_fuzz::TARGETS {
        let place = directory.join(name);
        std::fs::create_dir_all(&place)?;
        for (number, seed) in seeds().into_iter().enumerate() {
            run(&seed);
            std::fs::write(place.join(format!("seed-{number}")), seed)?;
        }
        println!("{name}");
    }
    Ok(())
}
