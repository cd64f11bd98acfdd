"""Translates the Gateway and its HTTPRoutes into Caddy's configuration, and runs Caddy in a container.

Supports HTTP and HTTPS listeners, path matches (PathPrefix, Exact), one Service per rule, and RequestRedirect;
anything else is an error. The certificate is generated here, because there is no cert-manager without a cluster.
"""

import json
import re
import socket
import subprocess
import time
from pathlib import Path

from manifests import Manifests, UnsupportedManifest, reject_unknown
from podman import NETWORK, Engine, Failed

NAME = "gateway"


def pattern(match: dict) -> str:
    """Returns a path match as a regular expression. A prefix matches whole path segments."""
    reject_unknown("HTTPRoute: match", match, {"path"})
    path = match.get("path") or {"type": "PathPrefix", "value": "/"}
    quoted = re.escape(path["value"].rstrip("/") if path["type"] == "PathPrefix" else path["value"])
    match path["type"]:
        case "Exact":
            return f"^{quoted}$"
        case "PathPrefix":
            return f"^{quoted}(?:/|$)"
        case other:
            raise UnsupportedManifest(f"HTTPRoute: path type {other}")


def proxy(backend: dict) -> dict:
    """Returns a handler that proxies to the pods behind a Service, resolved by podman's DNS; tries another pod if one
    can't be reached.

    Each request uses a new connection, as in the gateway of `cargo xtask up`: a stopping pod may close a kept-alive
    connection just as a request is sent on it.
    """
    reject_unknown("HTTPRoute: backendRef", backend, {"name", "port", "kind", "group", "weight"})
    pods = {"source": "a", "name": backend["name"], "port": str(backend["port"]), "refresh": "500ms"}
    return {
        "handler": "reverse_proxy",
        "dynamic_upstreams": pods | {"versions": {"ipv4": True, "ipv6": False}},
        "load_balancing": {"selection_policy": {"policy": "random"}, "try_duration": "10s", "try_interval": "50ms"},
        "transport": {"protocol": "http", "dial_timeout": "1s", "keep_alive": {"enabled": False}},
        "headers": {"request": {"delete": ["Forwarded", "X-Real-Ip"]}},
    }


def redirect(listed: dict) -> dict:
    """Returns a handler for a RequestRedirect filter."""
    reject_unknown("HTTPRoute: filter", listed, {"type", "requestRedirect"})
    reject_unknown("HTTPRoute: requestRedirect", listed["requestRedirect"], {"scheme", "statusCode"})
    target = listed["requestRedirect"]
    location = f"{target['scheme']}://{{http.request.host}}{{http.request.uri}}"
    return {"handler": "static_response", "status_code": target.get("statusCode", 302), "headers": {"Location": [location]}}


def routes(route: dict) -> list:
    """Returns the rules of one HTTPRoute with their sort keys: Exact before PathPrefix, then longer paths first."""
    reject_unknown("HTTPRoute", route["spec"], {"parentRefs", "hostnames", "rules"})
    found = []
    for rule in route["spec"]["rules"]:
        reject_unknown("HTTPRoute: rule", rule, {"matches", "backendRefs", "filters", "name"})
        backends, filters = rule.get("backendRefs") or [], rule.get("filters") or []
        match backends, filters:
            case [backend], []:
                handler = proxy(backend)
            case [], [only_filter]:
                handler = redirect(only_filter)
            case _:
                raise UnsupportedManifest("HTTPRoute: a rule with more than one backend or filter")
        for match in rule.get("matches") or [{}]:
            matcher = {"path_regexp": {"pattern": pattern(match)}}
            if route["spec"].get("hostnames"):
                matcher["host"] = route["spec"]["hostnames"]
            path = match.get("path") or {"type": "PathPrefix", "value": "/"}
            rank = (path["type"] != "Exact", -len(path["value"]))
            found.append((rank, {"match": [matcher], "handle": [handler], "terminal": True}))
    return found


def gateway_of(manifests: Manifests) -> dict:
    """Returns the only Gateway of the manifests."""
    (gateway,) = manifests.of("Gateway")
    return gateway


def hosts_of(manifests: Manifests) -> list:
    """Returns the host names of the Gateway's HTTPS listeners."""
    listeners = gateway_of(manifests)["spec"]["listeners"]
    return sorted({listener["hostname"] for listener in listeners if listener["protocol"] == "HTTPS"})


def configuration(manifests: Manifests, certificate: str, key: str) -> dict:
    """Returns Caddy's configuration: a server for each port, with a branch for each listener's host name."""
    gateway, servers = gateway_of(manifests), {}
    for listener in gateway["spec"]["listeners"]:
        reject_unknown("Gateway: listener", listener, {"name", "port", "protocol", "hostname", "tls", "allowedRoutes"})
        attached = []
        for route in manifests.of("HTTPRoute"):
            for parent in route["spec"]["parentRefs"]:
                if (parent["name"], parent.get("sectionName", listener["name"])) == (gateway["metadata"]["name"], listener["name"]):
                    attached += routes(route)
        # The sort is stable, so rules with equal keys keep the order of the manifests.
        rules = [rule for _, rule in sorted(attached, key=lambda ranked: ranked[0])]
        branch = {"handle": [{"handler": "subroute", "routes": rules}], "terminal": True}
        if "hostname" in listener:
            branch["match"] = [{"host": [listener["hostname"]]}]
        fresh = {"listen": [f":{listener['port']}"], "automatic_https": {"disable": True}, "routes": []}
        server = servers.setdefault(str(listener["port"]), fresh)
        server["routes"].append(branch)
        match listener["protocol"]:
            case "HTTPS":
                server["tls_connection_policies"] = [{}]
            case "HTTP":
                pass
            case other:
                raise UnsupportedManifest(f"Gateway: protocol {other}")
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "WARN"}}},
        "apps": {
            "http": {"servers": servers},
            "tls": {"certificates": {"load_files": [{"certificate": certificate, "key": key}]}},
        },
    }


class Gateway:
    """Caddy in a container, in front of the pods."""

    def __init__(self, engine: Engine, manifests: Manifests, image: str) -> None:
        self.engine, self.manifests, self.image = engine, manifests, image
        self.hosts = hosts_of(manifests)
        self.folder = engine.data / NAME
        self.certificate = self.folder / "tls.crt"
        self.address = ""

    def start(self) -> None:
        """Generates a self-signed certificate, starts Caddy, and waits until it accepts connections."""
        self.folder.mkdir()
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"]
        names = ",".join(f"DNS:{host}" for host in self.hosts)
        make += ["-subj", f"/CN={self.hosts[0]}", "-addext", f"subjectAltName={names}"]
        make += ["-keyout", str(self.folder / "tls.key"), "-out", str(self.certificate)]
        subprocess.run(make, check=True, capture_output=True)
        config = configuration(self.manifests, "/gateway/tls.crt", "/gateway/tls.key")
        (self.folder / "caddy.json").write_text(json.dumps(config, indent=1))
        args = ["run", "--detach", "--pull", "never", "--name", NAME, "--label", NETWORK, "--network", NETWORK]
        args += ["--cap-drop", "all", "--cap-add", "net_bind_service", "--security-opt", "no-new-privileges", "--read-only"]
        args += ["--volume", f"{self.folder}:/gateway:ro", self.image, "run", "--config", "/gateway/caddy.json"]
        self.engine(*args)
        self.address = self.engine.address(NAME)
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection((self.address, 443), 1).close()
                return
            except OSError:
                if time.monotonic() > until:
                    raise Failed(f"the gateway does not accept connections: {self.engine('logs', NAME)}") from None
                time.sleep(0.1)

    def write_curl_home(self, folder: Path) -> Path:
        """Writes a .curlrc that makes curl connect to this gateway for every host. Returns its folder."""
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f'connect-to = "::{self.address}:"', f'cacert = "{self.certificate}"', 'noproxy = "*"']
        (folder / ".curlrc").write_text("\n".join(lines) + "\n")
        return folder
