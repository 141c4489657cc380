using Microsoft.ML.VideoAlignment.Models;
using Microsoft.ML.VideoAlignment.Models.OpenSora;
using Microsoft.ML.VideoAlignment.Models.StableVideoDiffusion;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What a family's parts have beside the contract, for tests that know which family they hold.</summary>
internal static class ModelPartsAccess
{
    extension(VideoDiffusionModel model)
    {
        /// <summary>The text encoder with its tokenizer, of ModelScope and VideoCrafter.</summary>
        public IPromptEncoder Prompts => ((TextConditioner)model.Parts.Conditioner).Prompts;

        /// <summary>The text encoder with its tokenizer, of Open-Sora.</summary>
        public ITextStateEncoder TextEncoder => ((OpenSoraConditioner)model.Parts.Conditioner).TextEncoder;

        /// <summary>How Open-Sora's prompts are written for the text encoder.</summary>
        public OpenSoraPromptSettings PromptSettings => ((OpenSoraConditioner)model.Parts.Conditioner).PromptSettings;

        /// <summary>Open-Sora's autoencoder.</summary>
        public VideoAutoencoder Autoencoder => ((OpenSoraDecoder)model.Parts.Decoder).Autoencoder;

        /// <summary>Stable Video Diffusion's, see <see cref="StableVideoDiffusionDecoder.FramesPerDecode"/>.</summary>
        public int? FramesPerDecode
        {
            set => ((StableVideoDiffusionDecoder)model.Parts.Decoder).FramesPerDecode = value;
        }

        /// <summary>Open-Sora's sampler of a segment some of whose frames are given.</summary>
        public ISampler CreateSampler(SamplingSettings settings, Tensor? frameMask) =>
            ((OpenSoraSamplers)model.Parts.Samplers).CreateSampler(settings, frameMask);

        /// <summary>Open-Sora's prediction with the channels that samplers do not use.</summary>
        public Tensor PredictAll(Tensor latents, double timestep, Condition condition) =>
            ((OpenSoraDenoiser)model.Parts.Denoiser).PredictAll(latents, timestep, condition);

        /// <summary>Open-Sora's other branch.</summary>
        public Condition Unconditional(Condition conditional) => ((OpenSoraConditioner)model.Parts.Conditioner).Unconditional(conditional);
    }

    /// <summary>The families that can be made untrained, for <c>[ValueSource]</c>.</summary>
    public static IEnumerable<string> Families => ModelCatalog.All.Select(family => family.Name);
}
