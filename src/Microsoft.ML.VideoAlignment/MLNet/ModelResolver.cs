using System.Runtime.CompilerServices;
using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// Finds what a saved transformer refers to: a base model by the resolver registered for the context, else where it was when the alignment was saved; a
/// reward's files at their new places, else at the old ones. What the file itself names is opened only where <see cref="LoadPermission"/> allows it.
/// </summary>
/// <param name="OpenModel">Opens the model of a folder, file, hub id or embedded name.</param>
/// <param name="Resolve">The program's own resolver, which may return null; null: none.</param>
/// <param name="MovedRewardFiles">New paths of reward files, by old path; null: none.</param>
/// <param name="Hub">How a model of the hub is looked for; null: in the local cache alone.</param>
/// <param name="Permission">What may be opened; null: only what this process saved.</param>
internal sealed record ModelResolver(
    Func<string, VideoModelOptions, VideoDiffusionModel> OpenModel, Func<VideoModelReference, VideoDiffusionModel?>? Resolve = null,
    IReadOnlyDictionary<string, string>? MovedRewardFiles = null, HubOptions? Hub = null, LoadPermission? Permission = null)
{
    // Hosts registered in a context share its catalog, but not the context's own options; a weak table leaves the context collectable.
    private static readonly ConditionalWeakTable<ComponentCatalog, ModelResolver> s_registered = [];

    /// <summary>Sets the resolver of a context, in place of an earlier one.</summary>
    /// <param name="environment">The context or one of its hosts.</param>
    /// <param name="resolver">The resolver.</param>
    public static void Register(IHostEnvironment environment, ModelResolver resolver) => s_registered.AddOrUpdate(environment.ComponentCatalog, resolver);

    /// <summary>Gets the resolver of a context, or one that opens only what is allowed by default.</summary>
    /// <param name="environment">The context or one of its hosts.</param>
    public static ModelResolver Get(IHostEnvironment environment) =>
        s_registered.TryGetValue(environment.ComponentCatalog, out ModelResolver? places) ? places : new ModelResolver(OpenSource);

    /// <summary>Finds the model of a reference.</summary>
    /// <param name="reference">The reference in the saved alignment.</param>
    /// <returns>The model, and whether the caller owns it: models that the program's resolver supplied stay the program's.</returns>
    /// <exception cref="InvalidOperationException">The model may not be opened, is not there, or has other weights.</exception>
    public (VideoDiffusionModel Model, bool Owned) Find(VideoModelReference reference)
    {
        if (Resolve?.Invoke(reference) is { } supplied)
        {
            RequireSame(reference, supplied);
            return (supplied, false);
        }

        return (Open(reference, unpacked: null), true);
    }

    /// <summary>Loads the model of a reference and checks its hash.</summary>
    /// <param name="reference">The reference in the saved alignment.</param>
    /// <param name="unpacked">The folder of the model's files where they came inside the zip; null: they are where the reference says.</param>
    /// <returns>The model, which the caller owns.</returns>
    /// <exception cref="InvalidOperationException">The model may not be opened, is not there, or has other weights.</exception>
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
            string place = source == reference.Source ? reference.SourceInWords : source;
            throw new InvalidOperationException(
                $"The alignment belongs to the {reference.Family} model '{place}' (SHA-256 {reference.Hash}), which cannot be loaded from there: "
                + $"{error.Message} "
                + (reference.Kind == VideoModelSourceKind.Hub
                    ? "What a file names is not downloaded without permission: call VideoDiffusionModel.FromPretrained once with this id and revision, "
                        + "or mlContext.RegisterVideoAlignment(hub: new HubOptions()) before loading."
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

    /// <summary>Makes a saved reward.</summary>
    /// <param name="reference">The reference in the saved scoring.</param>
    /// <returns>The reward, which the caller owns.</returns>
    /// <exception cref="InvalidOperationException">The reference names something that may not be opened.</exception>
    /// <exception cref="FileNotFoundException">Files are missing.</exception>
    /// <exception cref="InvalidDataException">Files have changed, or the kind of reward is of a newer library.</exception>
    public VideoReward Open(RewardReference reference)
    {
        (Permission ?? LoadPermission.None).Require(reference, MovedRewardFiles);
        return CompanionPackages.MakeReward(reference, MovedRewardFiles);
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
