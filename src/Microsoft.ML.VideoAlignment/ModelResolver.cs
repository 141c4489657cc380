using System.Runtime.CompilerServices;
using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment;

/// <summary>
/// Where what a saved transformer refers to is found: a base model by the resolver registered for the context, else where it was when the alignment was
/// saved; a reward's files at their new places, else at the old. What the file itself names is opened only where <see cref="LoadPermission"/> allows it.
/// </summary>
internal sealed record ModelResolver(
    Func<string, VideoModelOptions, VideoDiffusionModel> OpenModel, Func<VideoModelReference, VideoDiffusionModel?>? Resolve = null, IReadOnlyDictionary<string, string>? MovedRewardFiles = null,
    HubOptions? Hub = null, LoadPermission? Permission = null)
{
    // Hosts registered in a context share its catalog, but not the context's own options; a weak table leaves the context collectable.
    private static readonly ConditionalWeakTable<ComponentCatalog, ModelResolver> s_registered = [];

    /// <summary>Sets the places of a context.</summary>
    public static void Register(IHostEnvironment environment, ModelResolver places) => s_registered.AddOrUpdate(environment.ComponentCatalog, places);

    public static ModelResolver ForArchive(IHostEnvironment environment) =>
        s_registered.TryGetValue(environment.ComponentCatalog, out ModelResolver? places) ? places : new ModelResolver(OpenSource);

    /// <summary>The model of a reference, and whether whoever asked for it owns it now: the resolver's models stay the resolver's.</summary>
    /// <exception cref="InvalidOperationException">It is not there, or its weights are others.</exception>
    public (VideoDiffusionModel Model, bool Owned) Find(VideoModelReference reference)
    {
        if (Resolve?.Invoke(reference) is { } supplied)
        {
            RequireSame(reference, supplied);
            return (supplied, false);
        }

        return (Open(reference, unpacked: null), true);
    }

    /// <summary>Loads the model of the reference and checks that it is the one.</summary>
    /// <param name="reference">What the saved alignment names.</param>
    /// <param name="unpacked">The folder of the model's files where they came inside the zip; null: they are where the reference says.</param>
    /// <exception cref="InvalidOperationException">It may not be opened, is not there, or its weights are others.</exception>
    public VideoDiffusionModel Open(VideoModelReference reference, string? unpacked)
    {
        (Permission ?? LoadPermission.None).Require(reference, unpacked is not null);
        string source = unpacked ?? reference.Source;
        VideoDiffusionModel model;
        try
        {
            model = OpenModel(source, reference.ToOptions(Hub));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException or InvalidDataException)
        {
            throw new InvalidOperationException(
                $"The alignment belongs to the {reference.Family} model '{(source == reference.Source ? reference.SourceInWords : source)}' (SHA-256 {reference.Hash}), which cannot be loaded from there: {error.Message} "
                + (reference.Kind == VideoModelSourceKind.Hub
                    ? $"What a file names is not downloaded unasked: call VideoDiffusionModel.FromPretrained once with this id and revision, or mlContext.RegisterVideoAlignment(hub: new HubOptions()) before loading."
                    : "If it has moved, call mlContext.RegisterVideoAlignment(reference => VideoDiffusionModel.FromPretrained(newFolder)) before loading."),
                error);
        }

        try
        {
            RequireSame(reference, model);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Makes a saved reward again.</summary>
    /// <param name="reference">What the saved scoring names.</param>
    /// <exception cref="InvalidOperationException">It names what may not be opened.</exception>
    /// <exception cref="FileNotFoundException">Files are missing.</exception>
    /// <exception cref="InvalidDataException">Files are not what they were, or the kind is of a newer library.</exception>
    public VideoReward Open(RewardReference reference)
    {
        (Permission ?? LoadPermission.None).Require(reference, MovedRewardFiles);
        return VideoRewards.FromReference(reference, MovedRewardFiles);
    }

    /// <summary>Opens what a saved file calls a model.</summary>
    /// <param name="source">A folder, a file, an id of the hub, or the name of a package's model.</param>
    /// <param name="options">How it was loaded; a package's model has none.</param>
    /// <returns>A model that the caller disposes.</returns>
    public static VideoDiffusionModel OpenSource(string source, VideoModelOptions options) =>
        CompanionPackages.HasModel(source) ? CompanionPackages.OpenModel(source) : VideoDiffusionModel.FromPretrained(source, options);

    private static void RequireSame(VideoModelReference reference, VideoDiffusionModel model)
    {
        if (!string.Equals(model.Hash, reference.Hash, StringComparison.OrdinalIgnoreCase))
        {
            throw new InvalidOperationException(
                $"The alignment belongs to the {reference.Family} model '{reference.SourceInWords}' with SHA-256 {reference.Hash}, but the weights of "
                + $"'{model.Source}' ({model.Family}) have SHA-256 {model.Hash}. LoRA weights fit only the base they were trained on: "
                + "restore that model, or align again.");
        }
    }
}
