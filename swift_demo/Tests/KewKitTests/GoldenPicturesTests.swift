import Foundation
import Testing

@testable import KewKit

@Suite struct GoldenPicturesTests {
  @Test func pixelsAreThoseOfPython() throws {
    let golden = try Golden.load()
    let raw = try Golden.bytes("raw.bin")
    let expected = try Golden.bytes("expected.bin")
    var compared = 0
    var different = 0
    var largest = 0
    for entry in golden.pictures {
      let picture = try entry.picture(raw)
      for one in entry.cases {
        let pipeline = try ImagePipeline(width: one.width, height: one.height, resize: one.resize)
        let found = pipeline.prepare(picture)
        #expect(found.width == one.width && found.height == one.height)
        let wanted = expected[one.offset..<(one.offset + one.width * one.height)]
        let differences = zip(found.pixels, wanted).map { abs(Int($0) - Int($1)) }
        let worst = differences.max() ?? 0
        #expect(
          worst == 0,
          "\(entry.name) \(one.width)x\(one.height) \(one.resize): off by \(worst); \(Golden.renewal)")
        compared += differences.count
        different += differences.count { $0 != 0 }
        largest = max(largest, worst)
      }
    }
    #expect(compared > 10000)
    print("golden pixels: \(compared) compared, \(different) different, by \(largest) at most")
  }
}
