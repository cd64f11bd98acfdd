# All images in one build, which has the stages that they share only once:
#
#   docker buildx bake --file infra/docker/docker-bake.hcl [development]

variable "REGISTRY" {
  default = ""
}
variable "VERSION" {
  default = "unreleased"
}
variable "REVISION" {
  default = "unknown"
}
variable "SOURCE" {
  default = "https://github.com/ticketing-rs/ticketing"
}

group "default" {
  targets = ["auth", "expiration", "orders", "payments", "ticketctl", "tickets", "web"]
}

# With the stand-in for Stripe, for a local cluster.
group "development" {
  targets = ["default", "fakestripe"]
}

target "images" {
  name = service
  matrix = {
    service = ["auth", "expiration", "fakestripe", "orders", "payments", "ticketctl", "tickets", "web"]
  }
  context    = "."
  dockerfile = "infra/docker/Dockerfile"
  args = {
    SERVICE  = service
    FOLDER   = contains(["fakestripe", "ticketctl"], service) ? "crates" : "services"
    VERSION  = VERSION
    REVISION = REVISION
    SOURCE   = SOURCE
  }
  tags = [REGISTRY == "" ? "ticketing/${service}" : "${REGISTRY}/ticketing/${service}"]
}
