using Microsoft.ML.VideoAlignment.Sampling;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>A family of base models: its name and traits, what its files look like, and how its models are loaded or made untrained.</summary>
internal sealed record ModelDefinition
{
    /// <summary>What all models of the family have in common.</summary>
    public required ModelTraits Traits { get; init; }

    /// <summary>What its files look like, for the error that lists what was looked for.</summary>
    public required string Layout { get; init; }

    /// <summary>Tells whether a listing is of this family; looks at names and small files only.</summary>
    public required Func<ModelListing, bool> Recognizes { get; init; }

    /// <summary>Reads the configurations and vocabularies of a listing, and throws where they cannot be opened; weights need not be there yet.</summary>
    public required Action<ModelListing, VideoModelOptions> Check { get; init; }

    /// <summary>Loads the model at a path.</summary>
    public required Func<string, VideoModelOptions, CancellationToken, ModelParts> Load { get; init; }

    /// <summary>Makes an untrained model; null: the family has none.</summary>
    public Func<UntrainedRequest, ModelParts>? Untrained { get; init; }

    /// <summary>The family's one name.</summary>
    public string Name => Traits.Family;
}
