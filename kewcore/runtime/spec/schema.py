"""The public Core ML specification as a table: messages, field numbers and types.

Only ML Programs, pipelines of them and non-maximum suppression are listed; the other kinds of model are known by their
number in `Model`, so that they can be named in an error. Notation: `number name type`, with `*` for repeated,
`map<K,V>` for maps and `|oneof` for members of a oneof. Unlisted fields are skipped by protobuf.

Source: `mlmodel/format/Model.proto`, `FeatureTypes.proto`, `MIL.proto`, `NonMaximumSuppression.proto` and
`DataStructures.proto` of github.com/apple/coremltools 9.0.
"""

FEATURES = """
SizeRange: 1 lowerBound uint64; 2 upperBound int64
Int64FeatureType:
DoubleFeatureType:
StringFeatureType:
ImageFeatureType.ImageSize: 1 width uint64; 2 height uint64
ImageFeatureType.EnumeratedImageSizes: 1 sizes *ImageFeatureType.ImageSize
ImageFeatureType.ImageSizeRange: 1 widthRange SizeRange; 2 heightRange SizeRange
ImageFeatureType: 1 width int64; 2 height int64; 3 colorSpace int32
    ; 21 enumeratedSizes ImageFeatureType.EnumeratedImageSizes |SizeFlexibility
    ; 31 imageSizeRange ImageFeatureType.ImageSizeRange |SizeFlexibility
ArrayFeatureType.Shape: 1 shape *int64
ArrayFeatureType.EnumeratedShapes: 1 shapes *ArrayFeatureType.Shape
ArrayFeatureType.ShapeRange: 1 sizeRanges *SizeRange
ArrayFeatureType: 1 shape *int64; 2 dataType int32
    ; 21 enumeratedShapes ArrayFeatureType.EnumeratedShapes |ShapeFlexibility
    ; 31 shapeRange ArrayFeatureType.ShapeRange |ShapeFlexibility
    ; 41 intDefaultValue int32 |defaultOptionalValue
    ; 51 floatDefaultValue float |defaultOptionalValue
    ; 61 doubleDefaultValue double |defaultOptionalValue
DictionaryFeatureType: 1 int64KeyType Int64FeatureType |KeyType; 2 stringKeyType StringFeatureType |KeyType
SequenceFeatureType: 1 int64Type Int64FeatureType |Type; 3 stringType StringFeatureType |Type; 101 sizeRange SizeRange
StateFeatureType: 1 arrayType ArrayFeatureType |Type
FeatureType: 1 int64Type Int64FeatureType |Type; 2 doubleType DoubleFeatureType |Type
    ; 3 stringType StringFeatureType |Type; 4 imageType ImageFeatureType |Type
    ; 5 multiArrayType ArrayFeatureType |Type; 6 dictionaryType DictionaryFeatureType |Type
    ; 7 sequenceType SequenceFeatureType |Type; 8 stateType StateFeatureType |Type; 1000 isOptional bool
"""

MODEL = """
FeatureDescription: 1 name string; 2 shortDescription string; 3 type FeatureType
Metadata: 1 shortDescription string; 2 versionString string; 3 author string; 4 license string
    ; 100 userDefined map<string,string>
FunctionDescription: 1 name string; 2 input *FeatureDescription; 3 output *FeatureDescription
    ; 6 state *FeatureDescription; 4 predictedFeatureName string; 5 predictedProbabilitiesName string
ModelDescription: 20 functions *FunctionDescription; 21 defaultFunctionName string; 100 metadata Metadata
    ; 1 input *FeatureDescription; 10 output *FeatureDescription; 13 state *FeatureDescription
    ; 11 predictedFeatureName string; 12 predictedProbabilitiesName string; 50 trainingInput *FeatureDescription
StringVector: 1 vector *string
Int64Vector: 1 vector *int64
NonMaximumSuppression.PickTop: 1 perClass bool
NonMaximumSuppression: 1 pickTop NonMaximumSuppression.PickTop |SuppressionMethod
    ; 100 stringClassLabels StringVector |ClassLabels; 101 int64ClassLabels Int64Vector |ClassLabels
    ; 110 iouThreshold double; 111 confidenceThreshold double
    ; 200 confidenceInputFeatureName string; 201 coordinatesInputFeatureName string
    ; 202 iouThresholdInputFeatureName string; 203 confidenceThresholdInputFeatureName string
    ; 210 confidenceOutputFeatureName string; 211 coordinatesOutputFeatureName string
Pipeline: 1 models *Model; 2 names *string
PipelineClassifier: 1 pipeline Pipeline
PipelineRegressor: 1 pipeline Pipeline
Model: 1 specificationVersion int32; 2 description ModelDescription; 10 isUpdatable bool
    ; 200 pipelineClassifier PipelineClassifier |Type; 201 pipelineRegressor PipelineRegressor |Type
    ; 202 pipeline Pipeline |Type; 502 mlProgram Program |Type
    ; 610 nonMaximumSuppression NonMaximumSuppression |Type
"""

PROGRAM = """
Program: 1 version int64; 2 functions map<string,Function>; 3 docString string; 4 attributes map<string,Value>
Function: 1 inputs *NamedValueType; 2 opset string; 3 block_specializations map<string,Block>
    ; 4 attributes map<string,Value>
Block: 1 inputs *NamedValueType; 2 outputs *string; 3 operations *Operation; 4 attributes map<string,Value>
Argument.Binding: 1 name string |binding; 2 value Value |binding
Argument: 1 arguments *Argument.Binding
Operation: 1 type string; 2 inputs map<string,Argument>; 3 outputs *NamedValueType; 4 blocks *Block
    ; 5 attributes map<string,Value>
NamedValueType: 1 name string; 2 type ValueType
ValueType: 1 tensorType TensorType |type; 2 listType ListType |type; 3 tupleType TupleType |type
    ; 4 dictionaryType DictionaryType |type; 5 stateType StateType |type
TensorType: 1 dataType int32; 2 rank int64; 3 dimensions *Dimension; 4 attributes map<string,Value>
TupleType: 1 types *ValueType
ListType: 1 type ValueType; 2 length Dimension
DictionaryType: 1 keyType ValueType; 2 valueType ValueType
StateType: 1 wrappedType ValueType
Dimension.ConstantDimension: 1 size uint64
Dimension.UnknownDimension: 1 variadic bool
Dimension: 1 constant Dimension.ConstantDimension |dimension; 2 unknown Dimension.UnknownDimension |dimension
Value.ImmediateValue: 1 tensor TensorValue |value; 2 tuple TupleValue |value; 3 list ListValue |value
    ; 4 dictionary DictionaryValue |value
Value.BlobFileValue: 1 fileName string; 2 offset uint64
Value: 1 docString string; 2 type ValueType; 3 immediateValue Value.ImmediateValue |value
    ; 5 blobFileValue Value.BlobFileValue |value
TensorValue.RepeatedFloats: 1 values *float
TensorValue.RepeatedDoubles: 1 values *double
TensorValue.RepeatedInts: 1 values *int32
TensorValue.RepeatedLongInts: 1 values *int64
TensorValue.RepeatedBools: 1 values *bool
TensorValue.RepeatedStrings: 1 values *string
TensorValue.RepeatedBytes: 1 values bytes
TensorValue: 1 floats TensorValue.RepeatedFloats |value; 2 ints TensorValue.RepeatedInts |value
    ; 3 bools TensorValue.RepeatedBools |value; 4 strings TensorValue.RepeatedStrings |value
    ; 5 longInts TensorValue.RepeatedLongInts |value; 6 doubles TensorValue.RepeatedDoubles |value
    ; 7 bytes TensorValue.RepeatedBytes |value
TupleValue: 1 values *Value
ListValue: 1 values *Value
DictionaryValue.KeyValuePair: 1 key Value; 2 value Value
DictionaryValue: 1 values *DictionaryValue.KeyValuePair
"""

OTHER_MODEL_KINDS: dict[int, str] = {
    300: "glmRegressor",
    301: "supportVectorRegressor",
    302: "treeEnsembleRegressor",
    303: "neuralNetworkRegressor",
    304: "bayesianProbitRegressor",
    400: "glmClassifier",
    401: "supportVectorClassifier",
    402: "treeEnsembleClassifier",
    403: "neuralNetworkClassifier",
    404: "kNearestNeighborsClassifier",
    500: "neuralNetwork",
    501: "itemSimilarityRecommender",
    555: "customModel",
    556: "linkedModel",
    560: "classConfidenceThresholding",
    600: "oneHotEncoder",
    601: "imputer",
    602: "featureVectorizer",
    603: "dictVectorizer",
    604: "scaler",
    606: "categoricalMapping",
    607: "normalizer",
    609: "arrayFeatureExtractor",
    900: "identity",
    2000: "textClassifier",
    2001: "wordTagger",
    2002: "visionFeaturePrint",
    2003: "soundAnalysisPreprocessing",
    2004: "gazetteer",
    2005: "wordEmbedding",
    2006: "audioFeaturePrint",
    3000: "serializedModel",
}
"""Members of the oneof in `Model` that kewcore does not read, by field number."""

DATA_TYPES: dict[int, str] = {
    1: "BOOL",
    2: "STRING",
    10: "FLOAT16",
    11: "FLOAT32",
    12: "FLOAT64",
    13: "BFLOAT16",
    21: "INT8",
    22: "INT16",
    23: "INT32",
    24: "INT64",
    25: "INT4",
    31: "UINT8",
    32: "UINT16",
    33: "UINT32",
    34: "UINT64",
    35: "UINT4",
    36: "UINT2",
    37: "UINT1",
    38: "UINT6",
    39: "UINT3",
    40: "FLOAT8E4M3FN",
    41: "FLOAT8E5M2",
}
"""The enum `DataType` of MIL.proto."""

ARRAY_DATA_TYPES: dict[int, str] = {
    65552: "FLOAT16",
    65568: "FLOAT32",
    65600: "FLOAT64",
    131080: "INT8",
    131104: "INT32",
}
"""The enum `ArrayFeatureType.ArrayDataType` of FeatureTypes.proto."""

COLOUR_SPACES: dict[int, str] = {10: "GRAYSCALE", 20: "RGB", 30: "BGR", 40: "GRAYSCALE_FLOAT16"}
"""The enum `ImageFeatureType.ColorSpace` of FeatureTypes.proto."""

BLOB_DATA_TYPES: dict[int, str] = {
    1: "FLOAT16",
    2: "FLOAT32",
    3: "UINT8",
    4: "INT8",
    5: "BFLOAT16",
    6: "INT16",
    7: "UINT16",
    8: "INT4",
    9: "UINT1",
    10: "UINT2",
    11: "UINT4",
    12: "UINT3",
    13: "UINT6",
    14: "INT32",
    15: "UINT32",
    16: "FLOAT8E4M3FN",
    17: "FLOAT8E5M2",
}
"""Element types in a weights file. Source: the enum in `mlmodel/src/MILBlob/Blob/BlobDataType.hpp`."""
