# All images in one build, which has the stages that they share only once:
#
#   docker buildx bake --file infra/docker/docker-bake.hcl

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
  targets = ["services"]
}

target "services" {
  name = service
  matrix = {
    service = ["auth", "expiration", "orders", "payments", "tickets", "web"]
  }
  context    = "."
  dockerfile = "infra/docker/Dockerfile"
  args = {
    SERVICE  = service
    VERSION  = VERSION
    REVISION = REVISION
    SOURCE   = SOURCE
  }
  tags = [REGISTRY == "" ? "ticketing/${service}" : "${REGISTRY}/ticketing/${service}"]
}
