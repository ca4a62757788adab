// swift-tools-version: 6.0
import PackageDescription

let package = Package(
  name: "KewKit",
  platforms: [.iOS(.v17), .macOS(.v14)],
  products: [
    .library(name: "KewKit", targets: ["KewKit"]),
    .executable(name: "kew-classify", targets: ["kew-classify"]),
  ],
  targets: [
    .target(name: "KewKit"),
    .executableTarget(name: "kew-classify", dependencies: ["KewKit"]),
    .testTarget(
      name: "KewKitTests",
      dependencies: ["KewKit", "kew-classify"],
      resources: [.copy("Fixtures")]
    ),
  ],
  swiftLanguageModes: [.v6]
)
