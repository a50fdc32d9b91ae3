//! How the services end: probes say no first, callers are served until they have moved on.

use crate::support::databases::run_on_postgresql;
use crate::support::eventually;
use crate::support::scim::{Scim, user};
use crate::support::system::{Settings, System};

#[test]
fn services_that_drain_say_no_to_their_probes_and_serve_on() {
    run_on_postgresql("services_that_drain_serve_on", async |database| {
        let settings = Settings {
            environment: vec![
                ("DIRECTORY_SHUTDOWN_DRAIN_SECONDS", "3600".to_owned()),
                ("GATEWAY_SHUTDOWN_DRAIN_SECONDS", "3600".to_owned()),
            ],
            ..Settings::default()
        };
        let mut system = System::start_with(database, settings).await;
        let scim = system.tenant("drained").await.scim;
        assert_eq!(system.probe("/readyz").await, [200, 200]);

        system.terminate();

        eventually("the probes say no", async || {
            (system.probe("/readyz").await == [503, 503]).then_some(())
        })
        .await;
        assert_eq!(system.probe("/livez").await, [200, 200]);
        assert_eq!(system.metric("directory_draining").await, 1.0);
        let ada = scim.create_user(&user("ada")).await;
        let another_connection = Scim::new(scim.base(), scim.token());
        another_connection.get(&format!("/Users/{ada}")).await.expect(200);

        let ended = system.stop().await; // a second signal: nobody waits any more
        assert!(ended.iter().all(std::process::ExitStatus::success), "{ended:?}");
    });
}
