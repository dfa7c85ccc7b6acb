//! The programs that users are promised, run: the bodies are filled in and the run directories are those of a test.

use netipc_tests::processes::RunDir;

mod thermometer {
    use netipc::WireMessage;

    #[derive(Debug, Clone, PartialEq, WireMessage)]
    pub struct Reading {
        pub sensor: String,
        pub celsius: f64,
        pub tags: Vec<String>,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage, thiserror::Error)]
    #[repr(u16)]
    pub enum SensorError {
        #[error("no such sensor")]
        Unknown = 1,
        #[error("sensor is busy")]
        Busy = 2,
    }

    #[netipc::service(name = "thermometer")]
    pub trait Thermometer {
        fn read(&self, sensor: &str) -> Result<Reading, SensorError>;
        fn average(&self, cx: &netipc::Call<'_>, first: u32, last: u32) -> f64;
    }

    pub struct Lab;

    impl Thermometer for Lab {
        fn read(&self, sensor: &str) -> Result<Reading, SensorError> {
            match sensor {
                "roof" => Ok(Reading { sensor: sensor.to_owned(), celsius: 21.5, tags: vec!["outdoor".into()] }),
                "lift" => Err(SensorError::Busy),
                _ => Err(SensorError::Unknown),
            }
        }

        fn average(&self, cx: &netipc::Call<'_>, first: u32, last: u32) -> f64 {
            assert_eq!(cx.peer().pid, Some(std::process::id()));
            f64::from(first + last) / 2.0
        }
    }

    pub fn main(run_dir: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
        let server = ThermometerServer::new(Lab).bind(run_dir)?.spawn()?;
        let mut client = ThermometerClient::connect(run_dir)?;
        let reading = client.read("roof")?;
        println!("{} {:.1}", reading.sensor(), reading.celsius());
        let kept: Reading = reading.to_owned();
        assert_eq!(kept, Lab.read("roof").unwrap());
        match client.read("cellar") {
            Err(netipc::CallError::Application(SensorError::Unknown)) => {}
            other => drop(other?),
        }
        assert_eq!(client.average(3, 4)?, 3.5);
        server.shutdown(std::time::Duration::from_secs(5))?;
        Ok(())
    }
}

#[test]
fn the_thermometer_of_the_first_five_minutes_works() {
    let run_dir = RunDir::new();
    thermometer::main(run_dir.path()).unwrap();
    assert!(run_dir.names().is_empty());
}

#[test]
fn an_error_of_the_method_is_not_one_of_the_call() {
    use thermometer::{Lab, SensorError, ThermometerClient, ThermometerServer};

    let run_dir = RunDir::new();
    let server = ThermometerServer::new(Lab).bind(run_dir.path()).unwrap().spawn().unwrap();
    let mut client = ThermometerClient::new(run_dir.path());
    assert!(!client.ready());
    client.refresh().unwrap();
    assert!(client.ready());
    assert!(matches!(client.read("lift"), Err(netipc::CallError::Application(SensorError::Busy))));
    assert_eq!(client.average(1, 2).unwrap(), 1.5);
    assert_eq!((client.status().answered, client.status().failed), (2, 0));
    drop(server);
}
