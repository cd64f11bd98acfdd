//! Checks that the configuration of redis-server fits its clients: each user of a `REDIS_URL` exists, and eviction
//! removes request counters rather than the queue of timers.

use super::{Context, settings};
use crate::environment::variables;
use crate::objects::{display, text};

pub(super) fn check(context: &Context<'_>) -> Vec<String> {
    let containers: Vec<_> =
        context.pods.iter().flat_map(|pod| pod.main_containers().into_iter().map(move |one| (pod, one))).collect();
    // If no container runs Redis, it is a managed service.
    let Some((server, _)) = containers.iter().find(|(_, one)| text(one, "/name") == "redis") else {
        return Vec::new();
    };
    // The script that starts Redis contains its configuration.
    let files = context.mounted_files(server);
    let values = |directive: &str| {
        let lines = files.iter().flat_map(|(_, file)| file.lines()).map(|line| line.split(' ').collect::<Vec<_>>());
        let lines = lines.filter(|words| words.first().is_some_and(|first| *first == directive));
        lines.filter_map(|words| words.get(1).copied()).collect::<Vec<_>>()
    };
    let mut problems = Vec::new();
    if values("maxmemory-policy") != ["volatile-ttl"] {
        let reason = "so that request counters are evicted before the queue of timers";
        problems.push(server.problem(format!("set maxmemory-policy volatile-ttl, {reason}")));
    }
    let (users, server) = (values("user"), display(server.owner));
    for (pod, container) in containers.iter().filter(|(_, one)| settings::program(one, context).is_some()) {
        let Some(url) = variables(container, context.objects).remove("REDIS_URL").flatten() else { continue };
        let user = url.split_once("://").and_then(|(_, rest)| rest.split_once(':')).map_or("", |(user, _)| user);
        if !users.contains(&user) {
            let what = format!("REDIS_URL has the user '{user}', which {server} does not define; add it there");
            problems.push(pod.problem(what));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Images;
    use super::super::mutations::assert_each_mutation_is_reported;
    use super::check;

    const GOOD: &str = "
kind: Deployment
metadata: {name: redis}
spec:
  template:
    spec:
      containers:
        - name: redis
          image: redis:7.2
      volumes: [{name: scripts, configMap: {name: redis-scripts}}]
---
kind: ConfigMap
metadata: {name: redis-scripts}
data:
  start.sh: |
    exec redis-server - << END
    maxmemory-policy volatile-ttl
    user orders on
    user web on
    END
---
kind: Deployment
metadata: {name: orders}
spec:
  template:
    spec:
      containers:
        - name: service
          image: ticketing/orders
          env: [{name: REDIS_URL, value: 'redis://orders:secret@redis:6379'}]
";

    #[test]
    fn unknown_users_and_other_eviction_policies_are_reported() {
        let fleet = Images { programs: BTreeMap::from([("orders".to_owned(), BTreeMap::new())]), ..Images::default() };
        assert_each_mutation_is_reported(
            check,
            &fleet,
            GOOD,
            &[
                ("volatile-ttl", "noeviction", "Deployment redis: set maxmemory-policy volatile-ttl"),
                (
                    "redis://orders:",
                    "redis://tickets:",
                    "has the user 'tickets', which Deployment redis does not define",
                ),
                ("user orders on", "user auth on", "Deployment orders: REDIS_URL has the user 'orders'"),
            ],
        );
    }
}
