using Microsoft.ML.VideoAlignment.Models;

namespace Microsoft.ML.VideoAlignment;

/// <content>Where models come from.</content>
public sealed partial class VideoDiffusionModel
{
    /// <summary>The hub's model that the files are, and its commit; null: they were named by their path.</summary>
    internal (string Id, string Commit)? HubOrigin { get; set; }

    /// <summary>Whether a package opened it, so that <see cref="Source"/> is its name there and saved files name it by that.</summary>
    internal bool ComesWithPackage { get; set; }

    /// <summary>How its files were read, for whoever has to read them again.</summary>
    internal VideoModelOptions LoadedWith { get; set; } = new();

    /// <summary>Loads a model from the files that its publisher gives out; the family is recognized from them.</summary>
    /// <param name="path">The model's folder or file, or its id of the hub ("owner/name"); see the README for what each family looks like.</param>
    /// <param name="options">How weights are read and held; null: the defaults.</param>
    /// <param name="cancellationToken">Ends the download or the reading; what was downloaded stays, for the next call to go on with.</param>
    /// <exception cref="DirectoryNotFoundException">There is nothing at this path.</exception>
    /// <exception cref="NotSupportedException">What is there is not a model of a known family; the message lists what was looked for.</exception>
    /// <exception cref="WeightFileException">A weight file is missing, damaged, or of another model.</exception>
    /// <exception cref="ModelDownloadException">A model of the hub is not in the cache and cannot be fetched.</exception>
    /// <exception cref="OperationCanceledException">The token was canceled.</exception>
    public static VideoDiffusionModel FromPretrained(string path, VideoModelOptions? options = null, CancellationToken cancellationToken = default) =>
        ModelCatalog.Open(path, options ?? new VideoModelOptions(), cancellationToken);

    /// <summary>As <see cref="FromPretrained"/>, without a thread that waits: downloads are asynchronous, weights are read in a thread of the pool.</summary>
    /// <inheritdoc cref="FromPretrained"/>
    public static Task<VideoDiffusionModel> FromPretrainedAsync(
        string path, VideoModelOptions? options = null, CancellationToken cancellationToken = default) =>
        ModelCatalog.OpenAsync(path, options ?? new VideoModelOptions(), cancellationToken);

    /// <summary>
    /// Makes a small model of a family with random weights and no files: for gradient checks, tests and learning the API. Its videos are gray noise.
    /// </summary>
    /// <param name="family">The name of the family whose blocks, sampler and decoder it has, such as <see cref="VideoModelFamily.ModelScope"/>.</param>
    /// <param name="size">How large.</param>
    /// <param name="seed">The seed that weights and text states are a function of.</param>
    /// <remarks>An alignment of it can be used and cannot be saved, since there is nothing to load its base from.</remarks>
    /// <exception cref="ArgumentException">The family is not known or has no untrained models, or the size is not known.</exception>
    public static VideoDiffusionModel Untrained(string family, UntrainedSize size = UntrainedSize.Tiny, int seed = 1) =>
        UntrainedModel.Make(family, size, seed);
}
