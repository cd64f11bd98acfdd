# Builds all images together, so that the shared stages are built only once:
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
# The tag of the images, if they are pushed to no registry.
variable "TAG" {
  default = "latest"
}
# Features of cargo for the programs. With platform/next-release, they are a possible next release.
variable "FEATURES" {
  default = ""
}
variable "SOURCE" {
  default = "https://github.com/ticketing-rs/ticketing"
}

group "default" {
  targets = ["auth", "expiration", "orders", "payments", "ticketctl", "tickets", "web"]
}

# Also builds the fake Stripe server, for local clusters.
group "development" {
  targets = ["default", "fakestripe"]
}

# What all images have in common, for its cache alone.
target "shared" {
  context    = "."
  dockerfile = "infra/docker/Dockerfile"
  target     = "shared"
  output     = ["type=cacheonly"]
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
    FEATURES = FEATURES
  }
  # One repository for all, since the smallest registries allow only a few. With REGISTRY, push by digest only: the
  # workflow then adds a tag for each service.
  tags = [REGISTRY == "" ? "ticketing/${service}:${TAG}" : "${REGISTRY}/ticketing"]
}
