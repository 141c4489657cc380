using System.Text.Json;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>What an untrained model is made from. A prompt's text states are random numbers of its own where a family's text encoder is left out.</summary>
/// <remarks>No group norm may have as many groups as channels, which would take the time embedding away.</remarks>
/// <param name="Source">What to call the model.</param>
/// <param name="Size">How large it is.</param>
/// <param name="Weights">Fills its networks.</param>
/// <param name="Placement">Where weights go and how they are stored.</param>
/// <param name="Seed">The seed of weights and text states.</param>
internal sealed record UntrainedRequest(string Source, UntrainedSize Size, UntrainedWeights Weights, Placement Placement, int Seed)
{
    /// <summary>Whether it is tiny.</summary>
    public bool Tiny => Size == UntrainedSize.Tiny;

    /// <summary>Chooses by the size.</summary>
    /// <typeparam name="T">What is chosen.</typeparam>
    /// <param name="tiny">For a tiny model.</param>
    /// <param name="middle">For one of middle size.</param>
    /// <param name="full">For one of the published size.</param>
    public T Choose<T>(T tiny, T middle, T full) => Size switch
    {
        UntrainedSize.Tiny => tiny,
        UntrainedSize.Middle => middle,
        _ => full,
    };

    /// <summary>Reads a configuration that stands in the source.</summary>
    /// <param name="json">The configuration.</param>
    public static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}
